import { type Clock, systemClock } from "../system/clock.ts";
import {
  ConfigError,
  NoAnswerError,
  reasonOf,
  TemporaryError,
} from "../errors.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Connect, Endpoint, Socket } from "../socket/socket.ts";

/** A memcached that is asked about itself. */
export interface ReportingServer {
  /** Names the table in messages. */
  readonly table: string;
  /** Where it is. */
  readonly endpoint: Endpoint;
  /** Opens the socket. */
  readonly connect: Connect;
  /** Milliseconds for connecting, and for each question; 0 or less: no limit. */
  readonly timeout: number;
  /** The time. */
  readonly clock?: Clock;
  /** Ends it, with the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** What a server can be asked: nothing of it changes anything there. */
export type Question = "version" | "stats" | "stats settings" | `get ${string}`;

/** The lines of an answer, without the `END` that closes it. */
export type Ask = (question: Question) => Promise<string[]>;

const longestAnswer = 65536;
const LF = 10;

/**
 * Asks a server over a connection of its own, which is closed in the end.
 * Rejects with {@linkcode TemporaryError} when the server cannot be reached, is
 * silent, refuses, or answers with something else.
 */
export async function askServer<T>(
  server: ReportingServer,
  talk: (ask: Ask) => Promise<T>,
): Promise<T> {
  server.signal?.throwIfAborted();
  const socket = await open(server);
  try {
    return await talk((question) => askOver(socket, server, question));
  } finally {
    socket.close();
  }
}

async function open(server: ReportingServer): Promise<Socket> {
  const { table, endpoint, connect } = server;
  const controller = new AbortController();
  const connecting = connect(endpoint, { signal: controller.signal });
  try {
    return await inTime(server, connecting, (reason) => {
      controller.abort(reason);
      // Not every adapter can end an attempt: what it opens too late is closed.
      connecting.then((socket) => socket.close(), () => {});
    });
  } catch (cause) {
    if (cause instanceof ConfigError || server.signal?.aborted) throw cause;
    throw new NoAnswerError(
      `${table}: cannot connect to memcached at ${formatEndpoint(endpoint)} ` +
        `(is it running there?): ${reasonOf(cause)}`,
      { cause },
    );
  }
}

async function askOver(
  socket: Socket,
  server: ReportingServer,
  question: Question,
): Promise<string[]> {
  const asking = exchange(socket, question);
  try {
    // Who gives up closes the socket; how the reading ends then is of no interest.
    return await inTime(server, asking, () => asking.catch(() => {}));
  } catch (cause) {
    if (server.signal?.aborted) throw cause;
    const Kind = cause instanceof Late ? NoAnswerError : TemporaryError;
    const [command] = question.split(" ");
    throw new Kind(
      `${server.table}: memcached at ${formatEndpoint(server.endpoint)} ` +
        `does not answer "${command}": ${reasonOf(cause)}`,
      { cause },
    );
  }
}

/** Time is up. */
class Late extends Error {}

/** What settles first: the work, the time-out, the signal; `stop` ends the work. */
async function inTime<T>(
  { timeout, clock = systemClock, signal }: ReportingServer,
  work: Promise<T>,
  stop: (reason: unknown) => void,
): Promise<T> {
  let giveUp: (reason: unknown) => void;
  const given = new Promise<never>((_, reject) => giveUp = reject);
  const end = (reason: unknown) => {
    giveUp(reason);
    stop(reason);
  };
  const abort = () => end(signal!.reason);
  const timer = timeout <= 0 ? undefined : clock.setTimer(
    timeout,
    () => end(new Late(`no answer within ${timeout / 1000} s`)),
  );
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    return await Promise.race([work, given]);
  } finally {
    timer?.cancel();
    signal?.removeEventListener("abort", abort);
  }
}

async function exchange(socket: Socket, question: Question): Promise<string[]> {
  await socket.write(new TextEncoder().encode(`${question}\r\n`));
  let text = "";
  const decoder = new TextDecoder();
  for (;;) {
    const chunk = await socket.read();
    if (chunk === null) {
      throw new Error(
        "it closed the connection; a proxy before it may not know the command",
      );
    }
    text += decoder.decode(chunk, { stream: true });
    if (text.length > longestAnswer) {
      throw new Error(`its answer is longer than ${longestAnswer} bytes`);
    }
    // Only a line end can complete the answer.
    if (!chunk.includes(LF)) continue;
    const lines = text.split(/\r?\n/);
    const unfinished = lines.pop()!;
    const answer = takeAnswer(question, lines);
    if (answer !== undefined) {
      if (unfinished !== "") throw nonsense(unfinished);
      return answer;
    }
  }
}

/** The answer that whole lines make; `undefined` while more must come. */
function takeAnswer(
  question: Question,
  lines: readonly string[],
): string[] | undefined {
  for (const [at, line] of lines.entries()) {
    const isLast = question === "version"
      ? line.startsWith("VERSION ")
      : line === "END";
    if (isLast) {
      if (at < lines.length - 1) throw nonsense(lines[at + 1]);
      return question === "version" ? [line] : lines.slice(0, at);
    }
    if (/unauthenticated/i.test(line)) {
      throw new Error(
        `it wants to be logged in to (${shown(line)}), ` +
          "which memcache tables cannot do: start it without -Y and -S",
      );
    }
    if (/^(?:ERROR|(?:CLIENT|SERVER)_ERROR .*)$/.test(line)) {
      throw new Error(`it answers ${shown(line)}`);
    }
    const belongs = question.startsWith("stats")
      ? line.startsWith("STAT ")
      : question.startsWith("get ");
    if (!belongs) throw nonsense(line);
  }
  return undefined;
}

function nonsense(line: string): Error {
  return new Error(`it answers ${shown(line)}: is it memcached?`);
}

function shown(line: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must go
  const clean = line.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
  return `"${clean.length > 60 ? `${clean.slice(0, 60)}…` : clean}"`;
}

/** The figures of `stats` and its relatives, by name. */
export function figuresOf(lines: readonly string[]): Map<string, string> {
  const figures = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^STAT (\S+) (.*)$/.exec(line) ?? [];
    if (name !== undefined) figures.set(name, value);
  }
  return figures;
}
