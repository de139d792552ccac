import type { KvKey } from "../../kv_database.ts";
import type { Text } from "../../bytes/text.ts";
import type { PatientDatabase } from "./patient_database.ts";

// Limits of Deno KV, in bytes.
const longestEncodedKey = 2048;
const longestValue = 65536;

/** Makes keys of the database of keys of a table, and checks the limits. */
export class KvKeys {
  /** The first parts of all keys of the table. */
  readonly prefix: KvKey;
  /**
   * The key of the mark of whoever fills the table. It is none of the table's keys,
   * and shorter than each of them, so that it is never too long.
   */
  readonly mark: KvKey;
  #longestKey: number;

  /** The keys of the table in a namespace. */
  constructor(namespace: string, text: Text) {
    this.prefix = ["table", namespace];
    this.mark = ["fill", namespace, new Uint8Array()];
    // The encoding adds one byte before and one byte after each part of a key.
    const prefixLength = text.encode(namespace).length + 5 + 4;
    this.#longestKey = longestEncodedKey - prefixLength - 2;
  }

  /** The database key of a table key. */
  of(bytes: Uint8Array): KvKey {
    return [...this.prefix, bytes];
  }

  /** The database key from which a listing goes on after a table key, if it does. */
  after(bytes: Uint8Array): KvKey | undefined {
    if (escapedLength(bytes) < this.#longestKey) {
      return this.of(Uint8Array.of(...bytes, 0));
    }
    // One byte more is too long for the database. No key begins with this one.
    const at = bytes.findLastIndex((byte) => byte < 255);
    if (at < 0) return undefined;
    const after = bytes.slice(0, at + 1);
    after[at]++;
    return this.of(after);
  }

  /** The length in bytes of a key in the encoding of the database. */
  encodedLength(bytes: Uint8Array): number {
    return longestEncodedKey - this.#longestKey + escapedLength(bytes);
  }

  /** Whether a key is too long for the database, which would fail to look it up. */
  isTooLong(database: PatientDatabase, bytes: Uint8Array): boolean {
    const short = bytes.length * 2 <= this.#longestKey;
    if (short && database.measureKey === undefined) return false;
    const measured = this.#measure(database, bytes);
    return measured.bytes > measured.longest;
  }

  /** Why an entry cannot be stored; `undefined` when it can. */
  whyNotStored(
    database: PatientDatabase | undefined,
    key: Uint8Array,
    value: Uint8Array,
  ): string | undefined {
    if (key.length === 0) return "the key is empty";
    const { bytes, longest } = this.#measure(database, key);
    if (bytes > longest) {
      return `its ${bytes} bytes are more than the ${longest} that a key may have here`;
    }
    return value.length > longestValue
      ? `the value's ${value.length} bytes are more than the ${longestValue} that a value may have here`
      : undefined;
  }

  #measure(
    database: PatientDatabase | undefined,
    bytes: Uint8Array,
  ): { bytes: number; longest: number } {
    const measured = database?.measureKey?.(this.of(bytes));
    if (measured !== undefined) return measured;
    return { bytes: escapedLength(bytes), longest: this.#longestKey };
  }
}

/** The length of an encoded part of a key: a null byte takes two bytes. */
function escapedLength(bytes: Uint8Array): number {
  let length = bytes.length;
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) {
    length++;
  }
  return length;
}
