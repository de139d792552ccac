import type { Text } from "../bytes/text.ts";
import { reasonOf } from "../errors.ts";
import { terminal } from "./terminal.ts";

const program = "memcache-table";
const encoder = new TextEncoder();

// One message is one line, and no key can write on the terminal by itself.
// deno-lint-ignore no-control-regex -- control characters are what must go
const control = /[\u0000-\u001f\u007f-\u009f]/g;

/** A text as it may be written on a terminal, on one line. */
export function printable(text: string): string {
  return text.replace(control, "?");
}

/** The line of progress that stands on the terminal, which has one only. */
let progressLine = "";

/**
 * Draws a line over the one that was drawn before, on standard error; an empty
 * one leaves nothing there.
 */
export function drawProgress(line: string): void {
  if (line === progressLine) return;
  const blank = " ".repeat(progressLine.length);
  const over = line.padEnd(progressLine.length);
  progressLine = line;
  complain(line === "" ? `\r${blank}\r` : `\r${over}`);
}

/** Messages for the person at the terminal, on standard error. */
export class Report {
  #verbose: boolean;

  /** `verbose` makes it print details as well. */
  constructor(verbose: boolean) {
    this.#verbose = verbose;
  }

  /** Something that whoever started the program wants to know. */
  note(message: string): void {
    write(`${program}: ${message}`, 6);
  }

  /** Something that was passed over. */
  warning = (message: string): void => {
    write(`${program}: warning: ${message}`, 4);
  };

  /** Something that only a verbose log wants. */
  get detail(): ((message: string) => void) | undefined {
    return this.#verbose
      ? (message) => write(`${program}: info: ${message}`, 7)
      : undefined;
  }

  /** What ends the program. */
  fatal(message: string): void {
    write(`${program}: fatal: ${message}`, 3);
  }
}

let hasPriorities = false;

/** From now on lines begin with a priority, as sd-daemon(3) has it: `<4>`. */
export function writePriorities(): void {
  hasPriorities = true;
}

function write(message: string, priority: number): void {
  drawProgress("");
  const start = hasPriorities ? `<${priority}>` : "";
  complain(start + printable(message) + "\n");
}

// Milliseconds, and how often they are waited: a second for one message.
const roomEvery = 10;
const longestWait = 100;

/** Whether the reader of standard error does not read. */
let isStuck = false;

function complain(text: string): void {
  let bytes = encoder.encode(text);
  try {
    for (let waited = 0; bytes.length > 0;) {
      const length = terminal.complain(bytes);
      bytes = bytes.subarray(length);
      if (length > 0) isStuck = false;
      else if (isStuck || waited === longestWait) break;
      else {
        waited++;
        pause(roomEvery);
      }
    }
    isStuck = bytes.length > 0;
  } catch {
    // Nobody reads standard error: there is nobody left to tell.
  }
}

/** Waits, and lets nothing else go on. */
function pause(milliseconds: number): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(never, 0, 0, milliseconds);
}

// What the system says, in the same words on all runtimes.
const failures: Record<string, string> = {
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

  /** Names the stream and what is wrong with it. */
  constructor(stream: string, cause: unknown) {
    const { code } = cause as { code?: string };
    super(`${stream}: ${failures[code ?? ""] ?? reasonOf(cause)}`, { cause });
  }
}

/** The reader of standard output is gone. */
export class BrokenPipe extends Error {
  override name = "BrokenPipe";
}

const chunkSize = 65536;

/** Standard output, written in chunks. */
export class Output {
  #text: Text;
  #texts: string[] = [];
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** `text` says how strings become bytes. */
  constructor(text: Text) {
    this.#text = text;
  }

  /** Adds text, and writes what has come together. Throws {@linkcode BrokenPipe}. */
  async write(text: string): Promise<void> {
    if (this.add(text)) await this.flush();
  }

  /** Adds text; whether so much has come together that it is to be written. */
  add(text: string): boolean {
    this.#texts.push(text);
    this.#length += text.length;
    return this.#length >= chunkSize;
  }

  /**
   * Adds bytes, as `write` does text; whether they were written. Until then they
   * must stay as they are.
   */
  async writeBytes(bytes: Uint8Array): Promise<boolean> {
    this.#closeText();
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    if (this.#length < chunkSize) return false;
    await this.flush();
    return true;
  }

  #closeText(): void {
    if (this.#texts.length === 0) return;
    this.#chunks.push(this.#text.encode(this.#texts.join("")));
    this.#texts = [];
  }

  /** Writes all there is. Throws {@linkcode BrokenPipe}. */
  async flush(): Promise<void> {
    this.#closeText();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#length = 0;
    for (let bytes of chunks) {
      while (bytes.length > 0) bytes = bytes.subarray(await writeSome(bytes));
    }
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

// Two-letter escapes of JSON; what else needs one is written \u00XX, DEL too,
// as Postfix 3.11 does.
const short: Record<string, string> = {
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
      short[character] ??
        "\\u" +
          character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0"),
  );
  return `"${quoted}"`;
}

/** An entry as a line of output: `key TAB value`, or JSON. */
export function formatEntry(key: string, value: string, json: boolean): string {
  return json ? `{${quote(key)}: ${quote(value)}}\n` : `${key}\t${value}\n`;
}
