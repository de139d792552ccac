import { byteText } from "../bytes/text.ts";
import { shownText } from "../errors.ts";
import { shownLine } from "./name_value.ts";

/** A line joined with its continuation lines. */
export interface LogicalLine {
  /** The text, without line ends. */
  readonly text: string;
  /** The number of its first line, counted from 1. */
  readonly line: number;
  /** Why it cannot be used: the first flaw of its physical lines. */
  readonly flaw?: string;
}

/** A line of a file. */
export interface PhysicalLine {
  /** The text; bytes that are not UTF-8 are replaced. */
  readonly text: string;
  /** Why it cannot be used. */
  readonly flaw?: string;
}

const lossyDecoder = /* @__PURE__ */ new TextDecoder("utf-8", {
  ignoreBOM: true,
});

/** Makes a physical line of a string, or of bytes that are not text. */
export function physicalLine(line: string | Uint8Array): PhysicalLine {
  if (typeof line !== "string") {
    const start = byteText.decode(line.subarray(0, 2))!;
    const flaw = isUtf16(start) ? utf16Warning : "it is not UTF-8";
    return { text: lossyDecoder.decode(line), flaw };
  }
  return line.includes("\0")
    ? { text: line, flaw: "it has a null byte" }
    : { text: line };
}

const leadingSpace = /^[ \t\r\v\f]/;
const blankOrComment = /^[ \t\r\v\f]*(#|$)/;

/** The warning about a line of a file that begins with white space, the first one. */
export function ignoredLine(file: string, line: number, text: string): string {
  return `${file}, line ${line}: ignoring a line that continues nothing: ` +
    `"${shownLine(text)}"`;
}

/** Whether a line is skipped, also within a logical line. */
export function isBlankOrComment(line: string): boolean {
  return blankOrComment.test(line);
}

/**
 * Joins physical lines to logical lines: a line that starts with white space
 * continues the one before. Blank lines and comments are skipped, and do not end a
 * logical line. Used for main.cf, `texthash:` and the input of `-i`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { LogicalLines } from "./logical_lines.ts";
 *
 * const lines = new LogicalLines(() => {});
 * assertEquals(lines.push({ text: "a = 1" }), undefined);
 * assertEquals(lines.push({ text: "# comment" }), undefined);
 * assertEquals(lines.push({ text: "  2" }), undefined);
 * assertEquals(lines.push({ text: "b = 3" }), { text: "a = 1  2", line: 1 });
 * assertEquals(lines.end(), { text: "b = 3", line: 4 });
 * ```
 */
export class LogicalLines {
  #pending: { parts: string[]; line: number; flaw?: string } | undefined;
  #line = 0;
  #onOrphan: (line: LogicalLine) => void;

  /** Calls `onOrphan` with a continuation line that has no line before it. */
  constructor(onOrphan: (line: LogicalLine) => void) {
    this.#onOrphan = onOrphan;
  }

  /** Takes the next physical line; returns the logical line before it, if complete. */
  push({ text, flaw }: PhysicalLine): LogicalLine | undefined {
    this.#line++;
    if (isBlankOrComment(text)) return undefined;
    if (this.#pending !== undefined && leadingSpace.test(text)) {
      this.#pending.parts.push(text);
      this.#pending.flaw ??= flaw;
      return undefined;
    }
    const ended = this.end();
    this.#pending = { parts: [text], line: this.#line, flaw };
    return ended;
  }

  /** Returns the last logical line, after the last physical one. */
  end(): LogicalLine | undefined {
    if (this.#pending === undefined) return undefined;
    const { parts, line, flaw } = this.#pending;
    this.#pending = undefined;
    const ended = { text: parts.join(""), line, ...(flaw && { flaw }) };
    if (!leadingSpace.test(ended.text)) return ended;
    this.#onOrphan(ended);
    return undefined;
  }
}

/** Joins physical lines to logical lines. */
export function* logicalLines(
  physical: Iterable<PhysicalLine>,
  onOrphan: (line: LogicalLine) => void,
): Generator<LogicalLine> {
  const lines = new LogicalLines(onOrphan);
  for (const line of physical) {
    const ended = lines.push(line);
    if (ended !== undefined) yield ended;
  }
  const ended = lines.end();
  if (ended !== undefined) yield ended;
}

// A byte order mark at the start of a file is neither white space nor a comment. For
// Postfix it is part of the first name, key or pattern. Editors do not show it.

/** The mark as Unicode, or with one character for each byte. */
const byteOrderMark = /^(?:\ufeff|\u00ef\u00bb\u00bf)/;

/** Whether a line begins with a byte order mark. */
export function beginsWithMark(line: string): boolean {
  return byteOrderMark.test(line);
}

/** The warning for a name, key or pattern that begins with a byte order mark. */
export function markWarning(kind: string, text: string): string {
  const visible = shownText(text.replace(byteOrderMark, ""));
  return `an invisible byte order mark (U+FEFF) is part of the ${kind} that ` +
    `looks like "${visible}", as it is for Postfix: ` +
    "save the file as UTF-8 without a byte order mark";
}

const utf16Marks = [
  "\u00ff\u00fe",
  "\u00fe\u00ff",
  "\udcff\udcfe",
  "\udcfe\udcff",
];

/** Whether a file is UTF-16, from its start as a `configText` or a byte string. */
export function isUtf16(start: string): boolean {
  return utf16Marks.some((mark) => start.startsWith(mark));
}

/** The warning for a file in UTF-16. */
export const utf16Warning =
  "it is UTF-16, which Postfix cannot read either: save the file as UTF-8";

/** A line up to its first null byte, where Postfix ends it. */
export function beforeNull(line: string): string {
  const end = line.indexOf("\0");
  return end < 0 ? line : line.slice(0, end);
}

/** The warning for a line of a file with a null byte. */
export const nullByteWarning = "it has a null byte: ignoring what is behind it";

/**
 * Whether a warning is one of those above. Their cause changes the meaning of a
 * configuration, so `memcache-table check` reports them as errors.
 */
export function isByteWarning(message: string): boolean {
  return message.endsWith(utf16Warning) || message.endsWith(nullByteWarning) ||
    message.includes(" byte order mark (U+FEFF) is part of the ");
}
