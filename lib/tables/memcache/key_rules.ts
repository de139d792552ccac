import { ByteBuffer } from "../../bytes/byte_buffer.ts";
import { byteText, type Text } from "../../bytes/text.ts";
import { TemporaryError } from "../../errors.ts";
import { asciiBytes, CR, LF, longestKey } from "../../memcached/protocol.ts";
import type { Digest } from "./key_digest.ts";
import type { KeyFormat } from "./key_format.ts";

/** What decides how a lookup key becomes a memcache key. */
export interface KeyRuleParts {
  /**
   * Why a key is not to be asked for, if it is not; missing where all are. A
   * domain list decides so.
   */
  readonly exclude?: KeyFilter;
  /** The key_format, taken apart. */
  readonly format: KeyFormat;
  /** The key_digest, if any. */
  readonly digest?: Digest;
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Whether a key that is too long is skipped, for those it is no failure. */
  readonly skipsLongKeys?: boolean;
}

/** Why a key, from `start` to `end`, is skipped; `undefined` when it is not. */
export type KeyFilter = (
  source: Uint8Array,
  start: number,
  end: number,
) => string | undefined | Promise<string | undefined>;

/**
 * What became of a lookup key: `undefined` when its memcache key was added, the
 * reason why there is none, or how many bytes one has that is too long to be sent.
 */
export type KeyVerdict = string | number | undefined;

/** What {@linkcode KeyRules} makes of a key that is to be looked up. */
export type GetCommand = Uint8Array | string | number;

const GET = asciiBytes("get ");

const nullByte = "the key has a null byte";
const whiteSpace = "the memcache key has white space or a control character";

const AT = 64;
const DOT = 46;
const SPACE = 32;
const DELETE = 127;

type Part =
  | { readonly literal: Uint8Array }
  | { readonly expand: string };

/**
 * From lookup key to memcache key: the one place that decides which keys are
 * skipped, for single lookups, many, updates and deletes alike.
 *
 * Implements "domain", "key_format" and "key_digest" of memcache_table(5).
 */
export class KeyRules {
  /** How strings stand for bytes. */
  readonly text: Text;
  #rules: KeyRuleParts;
  #parts: readonly Part[];
  /** Whether a memcache key is the key, and what the format has around it. */
  #isPlain: boolean;
  #encoded = new Uint8Array(longestKey);
  #command = new ByteBuffer(longestKey);

  /** Rules that stay the same. */
  constructor(rules: KeyRuleParts) {
    this.text = rules.text;
    this.#rules = rules;
    this.#parts = rules.format.parts.map((part) =>
      "literal" in part ? { literal: byteText.encode(part.literal) } : part
    );
    const { exclude, digest } = rules;
    this.#isPlain = exclude === undefined && digest === undefined &&
      this.#parts.some((part) => "expand" in part && part.expand === "s");
  }

  /**
   * Adds the memcache key of a lookup key, which was folded, to `out`; leaves that
   * as it is where there is none. The verdict is a promise only where a table of
   * the domain list or Web Crypto makes it one.
   */
  append(
    out: ByteBuffer,
    source: Uint8Array,
    start: number,
    end: number,
  ): KeyVerdict | Promise<KeyVerdict> {
    if (start === end) return "the key is empty";
    // The memcache key has the whole key in it, and is looked at once.
    if (this.#isPlain) {
      return this.#expand(out, source, start, end) as KeyVerdict;
    }
    if (hasNull(source, start, end)) return nullByte;
    const excluded = this.#rules.exclude?.(source, start, end);
    const expand = (reason: string | undefined) =>
      reason ?? this.#expand(out, source, start, end);
    return excluded instanceof Promise
      ? excluded.then(expand)
      : expand(excluded);
  }

  /**
   * The bytes of `get KEY` for a lookup key; or why there are none, as a verdict.
   */
  getCommand(key: string): GetCommand | Promise<GetCommand> {
    const bytes = this.#encode(key);
    // What waits for nothing is done with the buffer when it returns.
    const out = this.#isPlain ? this.#command : new ByteBuffer(0);
    out.length = 0;
    out.append(GET, 0, GET.length);
    const verdict = this.append(out, bytes, 0, bytes.length);
    return verdict instanceof Promise
      ? verdict.then((verdict) => verdict ?? commandIn(out))
      : verdict ?? commandIn(out);
  }

  /** The bytes of a key; where the rules do not wait, in memory that is used again. */
  #encode(key: string): Uint8Array {
    const { length } = key;
    const encoded = this.#encoded;
    if (!this.#isPlain || length > encoded.length) return this.text.encode(key);
    for (let at = 0; at < length; at++) {
      const code = key.charCodeAt(at);
      if (code > 127) return this.text.encode(key);
      encoded[at] = code;
    }
    return encoded.subarray(0, length);
  }

  #expand(
    out: ByteBuffer,
    source: Uint8Array,
    start: number,
    end: number,
  ): KeyVerdict | Promise<KeyVerdict> {
    const from = out.length;
    if (!this.#appendParts(out, source, start, end)) {
      out.length = from;
      return "the key lacks a part that key_format asks for";
    }
    const { digest } = this.#rules;
    if (out.length === from) return "its key_format expansion is empty";
    if (digest === undefined) {
      const verdict = this.#check(out, from);
      const isNull = verdict === whiteSpace && this.#isPlain &&
        hasNull(source, start, end);
      return isNull ? nullByte : verdict;
    }
    const digested = digest(out.bytes.slice(from, out.length));
    const whenDigested = (hex: string) => {
      out.length = from;
      out.appendAscii(hex);
      return this.#check(out, from);
    };
    return typeof digested === "string"
      ? whenDigested(digested)
      : digested.then(whenDigested);
  }

  /** Expands the format; `false` when the key lacks what it needs. */
  #appendParts(
    out: ByteBuffer,
    source: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const { usesLocalPart, usesDomain, labels } = this.#rules.format;
    const at = usesLocalPart || usesDomain ? lastAt(source, start, end) : -1;
    const domain = at < 0 ? end : at + 1;
    if (usesDomain && domain === end) return false;
    if (usesLocalPart && at === start) return false;
    const spans = labels > 0 ? labelSpans(source, domain, end) : [];
    if (spans.length < labels) return false;
    for (const part of this.#parts) {
      if ("literal" in part) out.append(part.literal, 0, part.literal.length);
      else if (part.expand === "s") out.append(source, start, end);
      else if (part.expand === "u") {
        out.append(source, start, at < 0 ? end : at);
      } else if (part.expand === "d") out.append(source, domain, end);
      else {
        const [first, last] = spans[spans.length - Number(part.expand)];
        out.append(source, first, last);
      }
    }
    return true;
  }

  /** Decides over what stands in `out` from a place on. */
  #check(out: ByteBuffer, from: number): KeyVerdict {
    const { bytes, length } = out;
    const size = length - from;
    out.length = from;
    for (let at = from; at < length; at++) {
      if (bytes[at] <= SPACE || bytes[at] === DELETE) {
        return whiteSpace;
      }
    }
    if (size > longestKey) {
      return this.#rules.skipsLongKeys ? tooLong(size) : size;
    }
    out.length = length;
  }
}

/** The bytes of a command that stands in a buffer without its end. */
function commandIn(out: ByteBuffer): Uint8Array {
  out.appendByte(CR);
  out.appendByte(LF);
  return out.bytes.slice(0, out.length);
}

function hasNull(source: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (source[at] === 0) return true;
  return false;
}

function tooLong(bytes: number): string {
  return `its memcache key has ${bytes} bytes, and memcached takes ` +
    `${longestKey}: set key_digest = sha256`;
}

/** The failure of a key whose memcache key would have so many bytes. */
export function tooLongKey(
  name: string,
  key: string,
  bytes: number,
): TemporaryError {
  const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key;
  return new TemporaryError(`${name}: key "${shown}": ${tooLong(bytes)}`);
}

/** Where the last `@` of a key is; -1 when it has none. */
export function lastAt(source: Uint8Array, start: number, end: number): number {
  let at = end - 1;
  while (at >= start && source[at] !== AT) at--;
  return at < start ? -1 : at;
}

/**
 * Where the labels of a domain are. Postfix joins over empty ones: `a..b` has the
 * labels `a` and `b`.
 */
function labelSpans(
  source: Uint8Array,
  start: number,
  end: number,
): [start: number, end: number][] {
  const spans: [number, number][] = [];
  let from = start;
  for (let at = start; at <= end; at++) {
    if (at < end && source[at] !== DOT) continue;
    if (at > from) spans.push([from, at]);
    from = at + 1;
  }
  return spans;
}
