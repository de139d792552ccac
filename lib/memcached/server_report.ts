import { type Clock, systemClock } from "../system/clock.ts";
import { NoAnswerError, reasonOf, TemporaryError } from "../errors.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Connect, Endpoint, Socket } from "../socket/socket.ts";
import {
  cannotConnect,
  tlsAlert,
  tlsHint,
  wasReset,
} from "./cannot_connect.ts";
import { LF, logInCure, quoted } from "./protocol.ts";

/** A memcached that is asked for its version, statistics or keys. */
export interface ReportingServer {
  /** Names the table in messages. */
  readonly table: string;
  readonly endpoint: Endpoint;
  readonly connect: Connect;
  /** Milliseconds for connecting, and for each question; 0 or less: no limit. */
  readonly timeout: number;
  /**
   * The time.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
  /** Ends all questions, with the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** A command that asks a server for something. None of them changes its data. */
export type Question =
  | "version"
  | "stats"
  | "stats settings"
  | typeof listingKeys
  | `get ${string}`;

/** The command that lists all keys of the server. */
export const listingKeys = "lru_crawler metadump all";

/** Called with each line of an answer; reading continues when it has finished. */
export type OnLine = (line: string) => void | Promise<void>;

/**
 * Returns the lines of an answer, without its closing `END`. With `onLine`, the
 * lines go there instead, and the result is empty.
 */
export type Ask = (question: Question, onLine?: OnLine) => Promise<string[]>;

const longestAnswer = 65536;

/**
 * Opens a connection, lets `talk` ask questions over it, and closes it. Rejects
 * with {@linkcode TemporaryError} when the server cannot be reached, is silent,
 * refuses, or answers something unexpected.
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
 * Whether a server answers the binary protocol, on a separate connection. A server
 * that does, and does not answer text, requires a log-in by SASL. Never rejects.
 */
export async function answersBinary(
  silentServer: ReportingServer,
): Promise<boolean> {
  const server = { ...silentServer, timeout: shortTimeout };
  try {
    const socket = await open(server);
    try {
      await raceTimeout(server, socket.write(binaryNoop), () => {});
      const reading = socket.read();
      const answer = await raceTimeout(server, reading, () => {
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
    return await raceTimeout(server, connecting, (reason) => {
      controller.abort(reason);
      // Not every adapter can stop an attempt: a socket that it opens too late is
      // closed.
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
    // A listing may take long, so the time-out is for each part of it.
    if (onLine !== undefined) {
      return await exchange(
        socket,
        question,
        withTimeout,
        onLine,
      );
    }
    return await withTimeout(exchange(socket, question, (work) => work));
  } catch (cause) {
    if (server.signal?.aborted) throw cause;
    const Kind = cause instanceof AnswerTimeout
      ? NoAnswerError
      : TemporaryError;
    const [command] = question.split(" ");
    throw new Kind(
      `${server.table}: memcached at ${formatEndpoint(server.endpoint)} ` +
        `does not answer "${command}": ${reasonOf(cause)}` +
        (wasCutOff(cause) ? tlsHint(server.endpoint) : ""),
      { cause },
    );
  }

  function withTimeout<T>(work: Promise<T>): Promise<T> {
    // After a time-out the socket is closed, which makes the pending read fail.
    return raceTimeout(server, work, () => work.catch(() => {}));
  }
}

/** Whether a server closed or reset the connection instead of an answer. */
function wasCutOff(cause: unknown): boolean {
  return cause instanceof ClosedUnanswered || wasReset(cause);
}

class ClosedUnanswered extends Error {}

class AnswerTimeout extends Error {}

/** Waits for `work`. On a time-out or an abort it calls `stop`, and rejects. */
async function raceTimeout<T>(
  { timeout, clock = systemClock, signal }: ReportingServer,
  work: Promise<T>,
  stop: (reason: unknown) => void,
): Promise<T> {
  let giveUp: (reason: unknown) => void;
  const stopped = new Promise<never>((_, reject) => giveUp = reject);
  const end = (reason: unknown) => {
    giveUp(reason);
    stop(reason);
  };
  const abort = () => end(signal!.reason);
  const timer = timeout <= 0 ? undefined : clock.setTimer(
    timeout,
    () => end(new AnswerTimeout(`no answer within ${timeout / 1000} s`)),
  );
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    return await Promise.race([work, stopped]);
  } finally {
    timer?.cancel();
    signal?.removeEventListener("abort", abort);
  }
}

async function exchange(
  socket: Socket,
  question: Question,
  withTimeout: <T>(work: Promise<T>) => Promise<T>,
  onLine?: OnLine,
): Promise<string[]> {
  const request = new TextEncoder().encode(`${question}\r\n`);
  await withTimeout(socket.write(request));
  const answer: string[] = [];
  let unfinished = "";
  let size = 0;
  const decoder = new TextDecoder();
  for (;;) {
    const chunk = await withTimeout(socket.read());
    if (chunk === null) {
      const isAlert = unfinished.charCodeAt(0) === tlsAlert;
      if ((unfinished === "" || isAlert) && answer.length === 0) {
        throw new ClosedUnanswered(
          "it closed the connection; a proxy before it may not know the command",
        );
      }
      throw new Error(
        `it closed the connection after ${
          quoted(unfinished || answer.at(-1)!)
        }`,
      );
    }
    const text = unfinished + decoder.decode(chunk, { stream: true });
    // Splitting only when a line ends keeps an answer in tiny pieces cheap.
    const lines = chunk.includes(LF) ? text.split(/\r?\n/) : [text];
    unfinished = lines.pop()!;
    for (const [at, line] of lines.entries()) {
      if (isLast(question, line)) {
        const more = [...lines.slice(at + 1), unfinished].join("");
        if (more !== "") throw unexpectedLine(more);
        return question === "version" ? [line] : answer;
      }
      checkLine(question, line);
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

/** Throws if a line cannot be part of the answer. */
function checkLine(question: Question, line: string): void {
  if (/^(?:ERROR|CLIENT_ERROR|SERVER_ERROR|BUSY)(?: |$)/.test(line)) {
    throw new Error(`it answers ${quoted(line)}${logInCure(line)}`);
  }
  const belongs = question.startsWith("stats")
    ? line.startsWith("STAT ")
    : question === listingKeys
    ? line.startsWith("key=")
    : question.startsWith("get ");
  if (!belongs) throw unexpectedLine(line);
}

function unexpectedLine(line: string): Error {
  return new Error(`it answers ${quoted(line)}: is it memcached?`);
}

/** The values of a `stats` answer, by name. */
export function figuresOf(lines: readonly string[]): Map<string, string> {
  const figures = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^STAT (\S+) (.*)$/.exec(line) ?? [];
    if (name !== undefined) figures.set(name, value);
  }
  return figures;
}
