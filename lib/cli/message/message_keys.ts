import { parseContentType } from "./content_type.ts";

/** Which lines of a message are keys. */
export interface MessageQuery {
  /** Logical header lines. */
  readonly headers: boolean;
  /** Body lines. */
  readonly body: boolean;
  /** Headers of attachments and of attached messages are headers, not body. */
  readonly mime: boolean;
}

/** Limits of a message, as parameters of main.cf. */
export interface MessageLimits {
  /** `header_size_limit`: bytes after which a header takes no more lines. */
  readonly headerSize: number;
  /** `mime_nesting_limit`: how deep a multipart may be and still be looked into. */
  readonly nesting: number;
  /** `mime_boundary_length_limit`: bytes of a boundary that count. */
  readonly boundaryLength: number;
}

/** The limits that Postfix has when main.cf sets none. */
export const defaultLimits: MessageLimits = {
  headerSize: 102400,
  nesting: 100,
  boundaryLength: 2048,
};

interface Multipart {
  readonly boundary: string;
  /** Whether its parts are messages unless they say something else. */
  readonly digest: boolean;
}

// "name :" is written as "name:" in the key.
const label = /^([!-9;-~]+)[ \t]*:/;
const contentType = /^content-type:/i;

/**
 * The keys of a message: its logical header lines, with the line ends that are
 * in them, and its body lines. Lines go in one after the other, byte strings
 * without line ends, and keys come out; what is kept is one header and the
 * boundaries of the multiparts around it.
 *
 * No message is wrong: a line that is no header ends the headers. A null byte
 * ends a line, as far as it is a key.
 *
 * Implements -b, -h and -m of postmap(1).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MessageKeys } from "./message_keys.ts";
 *
 * const keys = new MessageKeys({ headers: true, body: true, mime: false });
 * const lines = ["To : a,", "  b", "Subject: c", "", "Hello"];
 * assertEquals([...lines.flatMap((line) => keys.push(line)), ...keys.end()], [
 *   "To: a,\n  b",
 *   "Subject: c",
 *   "",
 *   "Hello",
 * ]);
 * ```
 */
export class MessageKeys {
  #query: MessageQuery;
  #limits: MessageLimits;
  #state: "primary" | "part" | "body" = "primary";
  #header: string[] = [];
  #headerSize = 0;
  /** Whether the body of these headers is a message. */
  #message = false;
  #multiparts: Multipart[] = [];
  #done = false;

  /** Starts at the first line of a message. */
  constructor(query: MessageQuery, limits: MessageLimits = defaultLimits) {
    this.#query = query;
    this.#limits = limits;
  }

  /** Whether no line that follows can be a key. */
  get done(): boolean {
    return this.#done;
  }

  /** Takes the next line; returns the keys that are complete with it. */
  push(line: string): string[] {
    const keys: string[] = [];
    if (this.#state !== "body") {
      if (this.#header.length > 0 && /^[ \t]/.test(line)) {
        this.#continueHeader(line);
        return keys;
      }
      this.#endHeader(keys);
      if (this.#startHeader(line)) return keys;
      this.#endHeaders(line, keys);
    }
    this.#takeBodyLine(line, keys);
    return keys;
  }

  /** The keys that are complete at the end of the message. */
  end(): string[] {
    const keys: string[] = [];
    this.#endHeader(keys);
    return keys;
  }

  #startHeader(line: string): boolean {
    const match = label.exec(line);
    if (match === null) return false;
    const header = `${match[1]}:${beforeNull(line.slice(match[0].length))}`;
    this.#header = [header];
    this.#headerSize = header.length;
    return true;
  }

  #continueHeader(line: string): void {
    if (this.#headerSize >= this.#limits.headerSize) return;
    const continued = `\n${beforeNull(line)}`;
    this.#header.push(continued);
    this.#headerSize += continued.length;
  }

  #endHeader(keys: string[]): void {
    if (this.#header.length === 0) return;
    const header = this.#header.join("");
    this.#header = [];
    if (this.#query.headers) keys.push(header);
    if (!this.#query.mime || !contentType.test(header)) return;
    const { message, digest, boundaries } = parseContentType(
      header.slice(header.indexOf(":") + 1),
    );
    this.#message = message ?? this.#message;
    const { nesting, boundaryLength } = this.#limits;
    for (const boundary of boundaries) {
      if (this.#multiparts.length - 1 > nesting) break;
      this.#multiparts.push({
        boundary: boundary.slice(0, boundaryLength),
        digest,
      });
    }
  }

  /** Goes on behind the headers, which an empty line ends, or one that is none. */
  #endHeaders(line: string, keys: string[]): void {
    const primary = this.#state === "primary";
    const { body, headers, mime } = this.#query;
    if (primary && headers && !body && !mime) this.#done = true;
    if (line === "" && this.#message) {
      this.#state = "part";
      this.#message = false;
      return;
    }
    // The empty line that is missing.
    if (line !== "" && primary && body) keys.push("");
    this.#state = "body";
  }

  #takeBodyLine(line: string, keys: string[]): void {
    if (line.length > 2 && line.startsWith("--")) this.#takeBoundary(line);
    if (this.#query.body) keys.push(beforeNull(line));
  }

  #takeBoundary(line: string): void {
    // The boundary of an outer multipart ends the inner ones.
    for (let at = this.#multiparts.length - 1; at >= 0; at--) {
      const { boundary, digest } = this.#multiparts[at];
      if (!line.startsWith(boundary, 2)) continue;
      const last = line.startsWith("--", 2 + boundary.length);
      this.#multiparts.length = last ? at : at + 1;
      this.#state = last ? "body" : "part";
      this.#message = digest;
      return;
    }
  }
}

function beforeNull(line: string): string {
  const end = line.indexOf("\0");
  return end < 0 ? line : line.slice(0, end);
}
