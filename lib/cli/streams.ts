import type { Text } from "../bytes/text.ts";
import { reasonOf } from "../errors.ts";
import { terminal } from "./terminal.ts";

const program = "memcache-table";
const encoder = new TextEncoder();

// A message is one line, and a key in it must not be able to control the terminal.
// deno-lint-ignore no-control-regex -- control characters are what must go
const control = /[\u0000-\u001f\u007f-\u009f]/g;

/** Makes a text safe to print on one line of a terminal. */
export function printable(text: string): string {
  return text.replace(control, "?");
}

/** The progress line that the terminal shows now. */
let progressLine = "";

/**
 * Draws a progress line on standard error, in place of the previous one. An
 * empty text removes it.
 */
export function drawProgress(line: string): void {
  if (line === progressLine) return;
  const blank = " ".repeat(progressLine.length);
  const over = line.padEnd(progressLine.length);
  progressLine = line;
  writeError(line === "" ? `\r${blank}\r` : `\r${over}`);
}

/** Writes messages to standard error. */
export class Report {
  #verbose: boolean;

  /** `verbose`: print details as well. */
  constructor(verbose: boolean) {
    this.#verbose = verbose;
  }

  /** Prints information for the user. */
  note(message: string): void {
    write(`${program}: ${message}`, 6);
  }

  /** Prints a warning. */
  warning = (message: string): void => {
    write(`${program}: warning: ${message}`, 4);
  };

  /** Prints a detail; `undefined` unless the report is verbose. */
  get detail(): ((message: string) => void) | undefined {
    return this.#verbose
      ? (message) => write(`${program}: info: ${message}`, 7)
      : undefined;
  }

  /** Prints the error that ends the program. */
  fatal(message: string): void {
    write(`${program}: fatal: ${message}`, 3);
  }
}

let hasPriorities = false;

/** Makes each message begin with its priority, such as `<4>`; see sd-daemon(3). */
export function writePriorities(): void {
  hasPriorities = true;
}

/** Writes a message; `priority` is that of syslog(3), a number. */
function write(message: string, priority: number): void {
  drawProgress("");
  const prefix = hasPriorities ? `<${priority}>` : "";
  writeError(prefix + printable(message) + "\n");
}

// Milliseconds, and a number: a message waits up to a second.
const retryInterval = 10;
const maxRetries = 100;

/** Whether nobody reads standard error. Then messages no longer wait. */
let isStuck = false;

function writeError(text: string): void {
  let bytes = encoder.encode(text);
  try {
    for (let retries = 0; bytes.length > 0;) {
      const length = terminal.writeError(bytes);
      bytes = bytes.subarray(length);
      if (length > 0) isStuck = false;
      else if (isStuck || retries === maxRetries) break;
      else {
        retries++;
        pause(retryInterval);
      }
    }
    isStuck = bytes.length > 0;
  } catch {
    // Standard error is closed, so this error cannot be reported either.
  }
}

/** Blocks the program. */
function pause(milliseconds: number): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(never, 0, 0, milliseconds);
}

// System errors in the same words on all runtimes.
const systemErrors: Record<string, string> = {
  EBADF: "it is not open in this direction",
  ECONNRESET: "the other end broke the connection off",
  EDQUOT: "the quota of the disk is used up",
  EFBIG: "the file would be larger than ulimit -f allows",
  EIO: "input/output error",
  EISDIR: "it is a directory",
  ENOSPC: "no space left on the device",
  ENOTCONN: "it is a socket without a connection",
};

/** A standard stream that cannot be read or written. */
export class StreamError extends Error {
  override name = "StreamError";

  /** `cause` is the error of the system. */
  constructor(stream: string, cause: unknown) {
    const { code } = cause as { code?: string };
    super(`${stream}: ${systemErrors[code ?? ""] ?? reasonOf(cause)}`, {
      cause,
    });
  }
}

/** Nobody reads standard output any more. */
export class BrokenPipe extends Error {
  override name = "BrokenPipe";
}

const chunkSize = 65536;
// What postmap writes at a time. After a failure it leaves out what is behind the last
// whole block.
const blockSize = 4096;

/** Standard output, written in chunks. */
export class Output {
  #text: Text;
  #texts: string[] = [];
  #chunks: Uint8Array[] = [];
  #length = 0;
  #written = 0;

  /** `text` encodes the strings. */
  constructor(text: Text) {
    this.#text = text;
  }

  /** Adds text, and writes a chunk if it is full. Throws {@linkcode BrokenPipe}. */
  async write(text: string): Promise<void> {
    if (this.add(text)) await this.flushBlocks();
  }

  /** Adds text. Returns whether the chunk is full and should be flushed. */
  add(text: string): boolean {
    this.#texts.push(text);
    this.#length += text.length;
    return this.#length >= chunkSize;
  }

  /**
   * Adds bytes, as `write` adds text. Returns whether they were written; if not,
   * they must not change until the next flush.
   */
  async writeBytes(bytes: Uint8Array): Promise<boolean> {
    this.#closeText();
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    if (this.#length < chunkSize) return false;
    await this.flushBlocks();
    return true;
  }

  #closeText(): void {
    if (this.#texts.length === 0) return;
    this.#chunks.push(this.#text.encode(this.#texts.join("")));
    this.#texts = [];
  }

  /** Writes everything that was added. Throws {@linkcode BrokenPipe}. */
  async flush(): Promise<void> {
    this.#closeText();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#length = 0;
    for (let bytes of chunks) {
      this.#written += bytes.length;
      while (bytes.length > 0) bytes = bytes.subarray(await writeSome(bytes));
    }
  }

  /** Writes all whole blocks, and keeps a copy of the rest. */
  async flushBlocks(): Promise<void> {
    this.#closeText();
    const added = this.#chunks.reduce((sum, { length }) => sum + length, 0);
    let rest = (this.#written + added) % blockSize;
    const kept: Uint8Array[] = [];
    while (rest > 0 && this.#chunks.length > 0) {
      const last = this.#chunks.pop()!;
      const start = Math.max(0, last.length - rest);
      rest -= last.length - start;
      kept.unshift(last.slice(start));
      if (start > 0) this.#chunks.push(last.subarray(0, start));
    }
    await this.flush();
    this.#chunks = kept;
    this.#length = kept.reduce((sum, { length }) => sum + length, 0);
  }
}

async function writeSome(bytes: Uint8Array): Promise<number> {
  try {
    return await terminal.write(bytes);
  } catch (error) {
    if (terminal.isBrokenPipe(error)) throw new BrokenPipe();
    throw new StreamError("standard output", error);
  }
}

// The short escapes of JSON. Other control characters, and DEL, are written as
// \u00XX, as in Postfix 3.11.
const escapes: Record<string, string> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

// deno-lint-ignore no-control-regex -- control characters are what it is after
const special = /[\u0000-\u001f"\\\u007f]/g;

function quote(text: string): string {
  const quoted = text.replace(
    special,
    (character) =>
      escapes[character] ??
        "\\u" +
          character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0"),
  );
  return `"${quoted}"`;
}

/** Formats an entry as a line of output: `key TAB value`, or JSON. */
export function formatEntry(key: string, value: string, json: boolean): string {
  return json ? `{${quote(key)}: ${quote(value)}}\n` : `${key}\t${value}\n`;
}
