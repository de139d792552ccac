import { type Clock, systemClock } from "../system/clock.ts";
import { NoAnswerError, reasonOf, TemporaryError } from "../errors.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Connect, Endpoint, Socket } from "../socket/socket.ts";
import { cannotConnect } from "./cannot_connect.ts";
import { LF, logInCure, quoted } from "./protocol.ts";

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
export type Question =
  | "version"
  | "stats"
  | "stats settings"
  | typeof listingKeys
  | `get ${string}`;

/** Lists all keys that the server has. */
export const listingKeys = "lru_crawler metadump all";

/** Told the lines of an answer as they come; the next one waits for it. */
export type OnLine = (line: string) => void | Promise<void>;

/**
 * The lines of an answer, without the `END` that closes it; none where `onLine` is
 * told of them.
 */
export type Ask = (question: Question, onLine?: OnLine) => Promise<string[]>;

const longestAnswer = 65536;

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
    return await talk((question, onLine) =>
      askOver(socket, server, question, onLine)
    );
  } finally {
    socket.close();
  }
}

// A "no operation" of the binary protocol, and how an answer there begins.
const binaryNoop = Uint8Array.of(0x80, 0x0a, ...new Uint8Array(22));
const binaryAnswer = 0x81;
const shortTimeout = 300;

/**
 * Whether a server answers the binary protocol, asked over a connection of its own.
 * One that does, and does not answer text, wants a log-in by SASL. Never rejects.
 */
export async function answersBinary(
  asked: ReportingServer,
): Promise<boolean> {
  // Who was silent before gets little more time.
  const server = { ...asked, timeout: shortTimeout };
  try {
    const socket = await open(server);
    try {
      await inTime(server, socket.write(binaryNoop), () => {});
      const reading = socket.read();
      const answer = await inTime(server, reading, () => {
        reading.catch(() => {});
      });
      return answer?.[0] === binaryAnswer;
    } finally {
      socket.close();
    }
  } catch {
    return false;
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
    if (server.signal?.aborted) throw cause;
    throw cannotConnect(table, endpoint, cause);
  }
}

async function askOver(
  socket: Socket,
  server: ReportingServer,
  question: Question,
  onLine?: OnLine,
): Promise<string[]> {
  try {
    // A listing may take long: then it is each part of it that must come in time.
    if (onLine !== undefined) {
      return await exchange(socket, question, (work) => limited(work), onLine);
    }
    return await limited(exchange(socket, question, (work) => work));
  } catch (cause) {
    if (server.signal?.aborted) throw cause;
    const Kind = cause instanceof Late ? NoAnswerError : TemporaryError;
    const [command] = question.split(" ");
    throw new Kind(
      `${server.table}: memcached at ${formatEndpoint(server.endpoint)} ` +
        `does not answer "${command}": ${reasonOf(cause)}${cure(cause)}`,
      { cause },
    );
  }

  function limited<T>(work: Promise<T>): Promise<T> {
    // Who gives up closes the socket; how the reading ends then is of no interest.
    return inTime(server, work, () => work.catch(() => {}));
  }
}

/** What helps where a server goes away when it is asked. */
function cure(cause: unknown): string {
  return /reset by peer|ECONNRESET/i.test(reasonOf(cause))
    ? ": does it expect TLS (memcache = tls:HOST:PORT)?"
    : "";
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

async function exchange(
  socket: Socket,
  question: Question,
  limited: <T>(work: Promise<T>) => Promise<T>,
  onLine?: OnLine,
): Promise<string[]> {
  const request = new TextEncoder().encode(`${question}\r\n`);
  await limited(socket.write(request));
  const answer: string[] = [];
  let unfinished = "";
  let size = 0;
  const decoder = new TextDecoder();
  for (;;) {
    const chunk = await limited(socket.read());
    if (chunk === null) {
      throw new Error(
        unfinished === "" && answer.length === 0
          ? "it closed the connection; a proxy before it may not know the " +
            "command, or it expects TLS (memcache = tls:HOST:PORT)"
          : `it closed the connection after ${
            quoted(unfinished || answer.at(-1)!)
          }`,
      );
    }
    const text = unfinished + decoder.decode(chunk, { stream: true });
    // Only a line end completes something: what drips is not looked at again.
    const lines = chunk.includes(LF) ? text.split(/\r?\n/) : [text];
    unfinished = lines.pop()!;
    for (const [at, line] of lines.entries()) {
      if (isLast(question, line)) {
        const more = [...lines.slice(at + 1), unfinished].join("");
        if (more !== "") throw nonsense(more);
        return question === "version" ? [line] : answer;
      }
      mustBelong(question, line);
      if (onLine !== undefined) await onLine(line);
      else answer.push(line);
      size += line.length + 2;
    }
    if ((onLine === undefined ? size : 0) + unfinished.length > longestAnswer) {
      throw new Error(`its answer is longer than ${longestAnswer} bytes`);
    }
  }
}

function isLast(question: Question, line: string): boolean {
  return question === "version" ? line.startsWith("VERSION ") : line === "END";
}

/** Throws for a line that is no part of the answer. */
function mustBelong(question: Question, line: string): void {
  if (/^(?:ERROR|CLIENT_ERROR|SERVER_ERROR|BUSY)(?: |$)/.test(line)) {
    throw new Error(`it answers ${quoted(line)}${logInCure(line)}`);
  }
  const belongs = question.startsWith("stats")
    ? line.startsWith("STAT ")
    : question === listingKeys
    ? line.startsWith("key=")
    : question.startsWith("get ");
  if (!belongs) throw nonsense(line);
}

function nonsense(line: string): Error {
  return new Error(`it answers ${quoted(line)}: is it memcached?`);
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
