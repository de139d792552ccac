import { utf8Text } from "../../bytes/text.ts";

/** A request without a body. */
export interface HttpRequest {
  /** GET, HEAD and so on. */
  readonly method: string;
  /** The path, without a query. */
  readonly path: string;
  /** The media types that the client takes. */
  readonly accept: string | undefined;
}

/** An answer with a text. */
export interface HttpAnswer {
  /** The status, such as 200. */
  readonly status: number;
  /**
   * The media type.
   *
   * @default {"text/plain; charset=utf-8"}
   */
  readonly type?: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The text. */
  readonly body: string;
}

const phrases: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/**
 * Where the head of a request ends: behind its empty line, -1 if that has not come
 * yet. `head` has no empty lines before the first line of the request.
 */
export function endOfHead(head: string): number {
  const end = /\n\r?\n/.exec(head);
  return end === null ? -1 : end.index + end[0].length;
}

/**
 * Parses the head of a request, a byte string. `undefined` if it is no HTTP/1.
 *
 * Implements the syntax of RFC 9112.
 */
export function parseRequest(head: string): HttpRequest | undefined {
  const [first, ...lines] = head.replace(/[\r\n]+$/, "").split(/\r?\n/);
  const parts = requestLine.exec(first);
  if (parts === null) return undefined;
  const [, method, target, minor] = parts;
  const accept: string[] = [];
  let hosts = 0;
  for (const line of lines) {
    const header = headerLine.exec(line);
    if (header === null) return undefined;
    const [, name, value] = header;
    if (/^host$/i.test(name)) hosts++;
    else if (/^accept$/i.test(name)) accept.push(value);
  }
  if (hosts > 1 || hosts === 0 && minor !== "0") return undefined;
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*/, "");
  return {
    method,
    path: path === "" ? "/" : path,
    accept: accept.length === 0 ? undefined : accept.join(","),
  };
}

const requestLine = /^([!#$%&'*+.^`|~\w-]+) ([\x21-\x7e]+) HTTP\/1\.(\d)$/;

// A header that goes on in the next line is obsolete.
const headerLine = /^([!#$%&'*+.^`|~\w-]+):[ \t]*([^\0\r]*)$/;

/** Writes an answer; one to HEAD has no body. The connection ends with it. */
export function formatAnswer(
  answer: HttpAnswer,
  { isHead = false }: { isHead?: boolean } = {},
): Uint8Array {
  const { status, type = "text/plain; charset=utf-8", headers, body } = answer;
  const bytes = utf8Text.encode(body);
  const all = {
    "Content-Type": type,
    "Content-Length": `${bytes.length}`,
    "Cache-Control": "no-store",
    "Connection": "close",
    ...headers,
  };
  const lines = [`HTTP/1.1 ${status} ${phrases[status] ?? ""}`];
  for (const [name, value] of Object.entries(all)) {
    lines.push(`${name}: ${value}`);
  }
  const head = utf8Text.encode(`${lines.join("\r\n")}\r\n\r\n`);
  if (isHead) return head;
  const whole = new Uint8Array(head.length + bytes.length);
  whole.set(head);
  whole.set(bytes, head.length);
  return whole;
}
