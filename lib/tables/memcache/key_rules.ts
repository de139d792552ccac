import { ByteBuffer } from "../../bytes/byte_buffer.ts";
import { byteText, type Text } from "../../bytes/text.ts";
import { TemporaryError } from "../../errors.ts";
import { CR, GET, LF, longestKey, SPACE } from "../../memcached/protocol.ts";
import type { Digest } from "./key_digest.ts";
import type { KeyFormat } from "./key_format.ts";

/** The parts of {@linkcode KeyRules}. */
export interface KeyRuleParts {
  /** The filter of the domain list; absent where all domains are looked up. */
  readonly exclude?: KeyFilter;
  /** The parsed key_format. */
  readonly format: KeyFormat;
  /** The key_digest, if any. */
  readonly digest?: Digest;
  /** How strings represent bytes. */
  readonly text: Text;
  /** Whether a key that is too long is skipped instead of a failure. */
  readonly skipsLongKeys?: boolean;
}

/** Whether domains, byte strings, are on a domain list. Some may be missing. */
export type KnownDomains = ReadonlyMap<string, boolean>;

/** What a domain list may need to decide, besides the key. */
export interface Asking {
  /** What it says to some domains. */
  readonly known?: KnownDomains;
  /** Ends the lookups in its tables. */
  readonly signal?: AbortSignal;
}

/** Why the key from `start` to `end` is skipped; `undefined` when it is not. */
export type KeyFilter = (
  source: Uint8Array,
  start: number,
  end: number,
  asking?: Asking,
) => string | undefined | Promise<string | undefined>;

/**
 * The result for a lookup key: `undefined` when its memcache key was appended, a
 * string with the reason when the key is skipped, or the length in bytes of a
 * memcache key that is too long.
 */
export type KeyVerdict = string | number | undefined;

/** The bytes of a get command; without one, a string or number as in KeyVerdict. */
export type GetCommand = Uint8Array | string | number;

const noSpans: [start: number, end: number][] = [];

const nullByte = "the key has a null byte";
const whiteSpace = "the memcache key has white space or a control character";

const longestCommand = GET.length + longestKey + 2;
// Bytes of the buffers for commands.
const bufferSize = 4096;

const AT = 64;
const DOT = 46;
const DELETE = 127;

/** A part of the format: what it expands, or "" for a literal. */
interface Part {
  readonly expand: string;
  readonly literal: Uint8Array;
}

/** A format that is a key with a fixed text before and after it. */
interface PlainFormat {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** The parts as a plain format; `undefined` if they are not, or are never sent. */
function plainFormat(parts: readonly Part[]): PlainFormat | undefined {
  const at = parts.findIndex(({ expand }) => expand !== "");
  if (at < 0 || parts[at].expand !== "s" || parts.length > at + 2) {
    return undefined;
  }
  const before = parts[at - 1]?.literal ?? new Uint8Array();
  const after = parts[at + 1]?.literal ?? new Uint8Array();
  const isSent = [...before, ...after].every((byte) =>
    byte > SPACE && byte !== DELETE
  );
  const endsThere = (parts[at + 1]?.expand ?? "") === "";
  return isSent && endsThere ? { before, after } : undefined;
}

/**
 * A shortcut for the keys that no rule skips, which are nearly all: it appends
 * their memcache key. Returns `false`, and appends nothing, for every other key:
 * then the rules decide. A test compares the two.
 */
function appendPlain(
  { before, after }: PlainFormat,
  out: ByteBuffer,
  source: Uint8Array,
  start: number,
  end: number,
): boolean {
  const size = before.length + end - start + after.length;
  if (size > longestKey) return false;
  out.reserve(size);
  const { bytes } = out;
  let to = out.length;
  for (let at = 0; at < before.length; at++) bytes[to++] = before[at];
  for (let at = start; at < end; at++) {
    const byte = source[at];
    if (byte <= SPACE || byte === DELETE) return false;
    bytes[to++] = byte;
  }
  for (let at = 0; at < after.length; at++) bytes[to++] = after[at];
  out.length = to;
  return true;
}

/**
 * Makes memcache keys of lookup keys, and decides which keys are skipped. All
 * lookups, updates and deletes use it, single and bulk.
 *
 * Implements "domain", "key_format" and "key_digest" of memcache_table(5).
 */
export class KeyRules {
  /** How strings represent bytes. */
  readonly text: Text;
  #rules: KeyRuleParts;
  #parts: readonly Part[];
  #plain: PlainFormat | undefined;
  #encoded = new ByteBuffer(longestKey);
  /** Commands, one after the other. */
  #commands = new ByteBuffer(0);

  /** Prepares the rules. */
  constructor(rules: KeyRuleParts) {
    this.text = rules.text;
    this.#rules = rules;
    this.#parts = rules.format.parts.map((part) => ({
      expand: "expand" in part ? part.expand : "",
      literal: byteText.encode("literal" in part ? part.literal : ""),
    }));
    const { exclude, digest } = rules;
    this.#plain = exclude === undefined && digest === undefined
      ? plainFormat(this.#parts)
      : undefined;
  }

  /**
   * Appends the memcache key of a folded lookup key to `out`, or nothing if there
   * is none. Returns a promise only where a table of the domain list or Web Crypto
   * requires it.
   */
  append(
    out: ByteBuffer,
    source: Uint8Array,
    start: number,
    end: number,
    asking?: Asking,
  ): KeyVerdict | Promise<KeyVerdict> {
    if (start === end) return "the key is empty";
    const plain = this.#plain;
    if (plain !== undefined && appendPlain(plain, out, source, start, end)) {
      return undefined;
    }
    if (hasNull(source, start, end)) return nullByte;
    const excluded = this.#rules.exclude?.(source, start, end, asking);
    const expand = (reason: string | undefined) =>
      reason ?? this.#expand(out, source, start, end);
    return excluded instanceof Promise
      ? excluded.then(expand)
      : expand(excluded);
  }

  /** The `get` command for a lookup key, or the verdict why there is none. */
  getCommand(
    key: string,
    asking?: Asking,
  ): GetCommand | Promise<GetCommand> {
    const encoded = this.#encoded;
    encoded.length = 0;
    // Plain rules never wait, so they can use the same memory for every key.
    const isShort = this.#plain !== undefined && key.length <= longestKey &&
      encoded.appendAscii(key);
    const source = isShort ? encoded.bytes : this.text.encode(key);
    const end = isShort ? encoded.length : source.length;
    const out = this.#plain ? this.#roomForCommand() : new ByteBuffer(0);
    const start = out.length;
    out.append(GET, 0, GET.length);
    const verdict = this.append(out, source, 0, end, asking);
    return verdict instanceof Promise
      ? verdict.then((verdict) => verdict ?? endCommand(out, start))
      : verdict ?? endCommand(out, start);
  }

  /**
   * A buffer with room for a command. Plain rules never wait, so their commands share
   * buffers: memory for each would cost more than the command.
   */
  #roomForCommand(): ByteBuffer {
    const { bytes, length } = this.#commands;
    if (bytes.length - length < longestCommand) {
      this.#commands = new ByteBuffer(bufferSize);
    }
    return this.#commands;
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
    if (digest === undefined) return this.#check(out, from);
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

  /** Expands key_format; `false` when the key lacks a part that it uses. */
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
    const spans = labels > 0 ? labelSpans(source, domain, end) : noSpans;
    if (spans.length < labels) return false;
    // By index: an iterator for each key is memory for the garbage collector.
    for (let number = 0; number < this.#parts.length; number++) {
      const { expand, literal } = this.#parts[number];
      if (expand === "s") out.append(source, start, end);
      else if (expand === "") out.append(literal, 0, literal.length);
      else if (expand === "u") out.append(source, start, at < 0 ? end : at);
      else if (expand === "d") out.append(source, domain, end);
      else {
        const [first, last] = spans[spans.length - Number(expand)];
        out.append(source, first, last);
      }
    }
    return true;
  }

  /** Checks the memcache key at the end of `out`; removes it if it is invalid. */
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

/** Completes the command in a buffer, and returns it. */
function endCommand(out: ByteBuffer, start: number): Uint8Array {
  out.appendByte(CR);
  out.appendByte(LF);
  return out.bytes.subarray(start, out.length);
}

function hasNull(source: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (source[at] === 0) return true;
  return false;
}

function tooLong(bytes: number): string {
  return `its memcache key has ${bytes} bytes, and memcached takes ` +
    `${longestKey}: set key_digest = sha256`;
}

/** The error for a key whose memcache key has `bytes` bytes, too many. */
export function tooLongKey(
  name: string,
  key: string,
  bytes: number,
): TemporaryError {
  const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key;
  return new TemporaryError(`${name}: key "${shown}": ${tooLong(bytes)}`);
}

/** The index of the last `@` of a key; -1 when it has none. */
export function lastAt(source: Uint8Array, start: number, end: number): number {
  let at = end - 1;
  while (at >= start && source[at] !== AT) at--;
  return at < start ? -1 : at;
}

/**
 * The places of the labels of a domain. As in Postfix, empty labels do not count:
 * `a..b` has the labels `a` and `b`.
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
