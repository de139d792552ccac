import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { byteText, type Text } from "../bytes/text.ts";
import { openSpool, type Spool } from "../system/spool.ts";
import type { Entry } from "../table.ts";

// Limits for what is kept in memory before it is written to a file.
const maxHeld = 8_192;
const maxCharacters = 2 * 1024 * 1024;

const headLength = 8;
const readSize = 32_768;

const notAscii = /[^\0-\x7f]/;

/** A string for a key; `<` compares such strings in the byte order of the keys. */
export function byteOrder(key: string, text: Text): string {
  return text.utf8 && notAscii.test(key)
    ? byteText.decode(text.encode(key))!
    : key;
}

/** The place of a run of entries in the file. */
interface Run {
  readonly start: number;
  readonly end: number;
}

/** A list of entries that keeps few entries in memory, and more in a file. */
export class HeldEntries {
  protected held: Entry[] = [];
  protected runs: Run[] = [];
  protected readonly text: Text;
  #characters = 0;
  #spool: Spool | undefined;

  /** `text` is the encoding of the table. */
  constructor(text: Text) {
    this.text = text;
  }

  /** Adds an entry. Returns whether `flush` must be called before the next one. */
  add(entry: Entry): boolean {
    this.held.push(entry);
    this.#characters += entry.key.length + entry.value.length;
    return this.held.length >= maxHeld || this.#characters >= maxCharacters;
  }

  /** Moves the entries in memory to the file. */
  async flush(): Promise<void> {
    this.#spool ??= await openSpool();
    if (this.#spool === undefined) return;
    const { text } = this;
    this.arrange();
    const buffer = new ByteBuffer(2 * this.#characters);
    for (const { key, value } of this.held) {
      const head = buffer.length;
      buffer.reserve(headLength);
      buffer.length += headLength;
      buffer.appendText(key, text);
      const middle = buffer.length;
      buffer.appendText(value, text);
      const view = new DataView(buffer.bytes.buffer, head, headLength);
      view.setUint32(0, middle - head - headLength);
      view.setUint32(4, buffer.length - middle);
    }
    const start = this.#spool.append(buffer.view());
    this.runs.push({ start, end: start + buffer.length });
    this.held = [];
    this.#characters = 0;
  }

  /** All entries, in the order in which they were added. */
  *entries(): Generator<Entry> {
    for (const run of this.runs) yield* this.read(run);
    yield* this.held;
  }

  /** Frees the memory and the file. */
  close(): void {
    this.held = [];
    this.#spool?.close();
    this.#spool = undefined;
  }

  /** Called before the entries in memory are moved to the file. */
  protected arrange(): void {}

  /** The entries of a run. */
  protected *read({ start, end }: Run): Generator<Entry> {
    const { text } = this;
    let bytes = new Uint8Array(0);
    let at = 0;
    let next = start;
    const has = (length: number) => {
      if (at + length <= bytes.length) return true;
      const rest = bytes.subarray(at);
      const size = Math.min(Math.max(readSize, length), end - next);
      const more = this.#spool!.readAt(next, size);
      next += more.length;
      bytes = new Uint8Array(rest.length + more.length);
      bytes.set(rest);
      bytes.set(more, rest.length);
      at = 0;
      return length <= bytes.length;
    };
    while (has(headLength)) {
      const view = new DataView(bytes.buffer, at, headLength);
      const keyLength = view.getUint32(0);
      const length = headLength + keyLength + view.getUint32(4);
      if (!has(length)) break;
      const middle = at + headLength + keyLength;
      const key = text.decode(bytes.subarray(at + headLength, middle))!;
      const value = text.decode(bytes.subarray(middle, at + length))!;
      at += length;
      yield { key, value };
    }
  }
}

/** Sorts entries in byte order of their keys. */
export class SortedEntries extends HeldEntries {
  protected override arrange(): void {
    const { text } = this;
    const keyed = this.held.map((entry) => ({
      order: byteOrder(entry.key, text),
      entry,
    }));
    keyed.sort(({ order: one }, { order: other }) =>
      one < other ? -1 : one > other ? 1 : 0
    );
    this.held = keyed.map(({ entry }) => entry);
  }

  /** All entries in byte order of their keys; equal keys in the order of adding. */
  override *entries(): Generator<Entry> {
    this.arrange();
    const sources = [
      ...this.runs.map((run) => this.read(run)),
      this.held.values(),
    ];
    /** The next entry of each source, the smallest one last. */
    const heads: Head[] = [];
    for (const [number, rest] of sources.entries()) {
      const { done, value } = rest.next();
      if (!done) insert(heads, this.#headOf(value, number, rest));
    }
    for (let head; (head = heads.pop()) !== undefined;) {
      yield head.entry;
      const { number, rest } = head;
      const { done, value } = rest.next();
      if (!done) insert(heads, this.#headOf(value, number, rest));
    }
  }

  #headOf(entry: Entry, number: number, rest: Iterator<Entry>): Head {
    return { entry, order: byteOrder(entry.key, this.text), number, rest };
  }
}

/** The next entry of a run. */
interface Head {
  readonly entry: Entry;
  readonly order: string;
  /** The number of the run. For equal keys, the earlier run comes first. */
  readonly number: number;
  readonly rest: Iterator<Entry>;
}

/** Inserts a head into heads in descending order. */
function insert(heads: Head[], head: Head): void {
  const { order, number } = head;
  let [low, high] = [0, heads.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = heads[middle];
    const isLess = order < other.order ||
      order === other.order && number < other.number;
    if (isLess) low = middle + 1;
    else high = middle;
  }
  heads.splice(low, 0, head);
}
