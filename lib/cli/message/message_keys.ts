import { beforeNull } from "../../config/logical_lines.ts";
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

/** Limits of a message, from parameters of main.cf. */
export interface MessageLimits {
  /** `header_size_limit`: the size in bytes after which lines of a header are dropped. */
  readonly headerSize: number;
  /** `mime_nesting_limit`: how deep nested multiparts are parsed. */
  readonly nesting: number;
  /** `mime_boundary_length_limit`: how many bytes of a boundary are compared. */
  readonly boundaryLength: number;
}

/** The defaults of Postfix. */
export const defaultLimits: MessageLimits = {
  headerSize: 102400,
  nesting: 100,
  boundaryLength: 2048,
};

interface Multipart {
  readonly boundary: string;
  /** Whether its parts are messages if they have no Content-Type. */
  readonly digest: boolean;
}

const DASH = 45;

// "name :" becomes "name:" in the key.
const label = /^([!-9;-~]+)[ \t]*:/;
const contentType = /^content-type:/i;

/**
 * Finds the keys of a message: its logical header lines, including the line ends
 * in them, and its body lines. Takes lines one by one, as byte strings without
 * line ends. Memory is bounded by the size of a header and of the boundaries.
 *
 * Every input is valid: a line that is not a header ends the headers. In a key, a
 * null byte ends the line.
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
  /** Whether the current headers say that the body is a message. */
  #message = false;
  #multiparts: Multipart[] = [];
  #done = false;

  /** Expects the first line of a message. */
  constructor(query: MessageQuery, limits: MessageLimits = defaultLimits) {
    this.#query = query;
    this.#limits = limits;
  }

  /** Whether no further line can be a key. */
  get done(): boolean {
    return this.#done;
  }

  /** Whether lines of the body are keys. */
  get hasBodyKeys(): boolean {
    return this.#query.body;
  }

  /**
   * Whether a line that starts there is of the body and no boundary: then it is a key
   * up to its first null byte, if lines of the body are, and changes nothing else. It
   * need not be pushed.
   */
  isPlainBody(bytes: Uint8Array, start: number): boolean {
    return this.#state === "body" &&
      !(bytes[start] === DASH && bytes[start + 1] === DASH);
  }

  /** Takes the next line. Returns the keys that it completes. */
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

  /** Ends the message. Returns the keys that this completes. */
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

  /** Ends the headers at an empty line, or at a line that is not a header. */
  #endHeaders(line: string, keys: string[]): void {
    const primary = this.#state === "primary";
    const { body, headers, mime } = this.#query;
    if (primary && headers && !body && !mime) this.#done = true;
    if (line === "" && this.#message) {
      this.#state = "part";
      this.#message = false;
      return;
    }
    // Add the empty line that is missing after the headers.
    if (line !== "" && primary && body) keys.push("");
    this.#state = "body";
  }

  #takeBodyLine(line: string, keys: string[]): void {
    if (line.length > 2 && line.startsWith("--")) this.#takeBoundary(line);
    if (this.#query.body) keys.push(beforeNull(line));
  }

  #takeBoundary(line: string): void {
    // A boundary of an outer multipart ends all inner ones.
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
