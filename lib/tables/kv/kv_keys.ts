import type { KvDatabase, KvKey } from "../../kv_database.ts";
import type { Text } from "../../bytes/text.ts";

// Limits of the database, in bytes.
const longestEncodedKey = 2048;
const longestValue = 65536;

/** From keys of a table to those of its database, with the limits there. */
export class KvKeys {
  /** What the keys of the table begin with. */
  readonly prefix: KvKey;
  #longestKey: number;

  /** The keys of a table that is in a namespace. */
  constructor(namespace: string, text: Text) {
    this.prefix = ["table", namespace];
    // Each part of a key has a byte before and a byte behind it.
    const prefixLength = text.encode(namespace).length + 5 + 4;
    this.#longestKey = longestEncodedKey - prefixLength - 2;
  }

  /** The key of the database. */
  of(bytes: Uint8Array): KvKey {
    return [...this.prefix, bytes];
  }

  /** How many bytes it takes as the database encodes it. */
  encodedLength(bytes: Uint8Array): number {
    return longestEncodedKey - this.#longestKey + escapedLength(bytes);
  }

  /** Whether the database cannot have it: asking for it is an error of its own. */
  isTooLong(database: KvDatabase, bytes: Uint8Array): boolean {
    const short = bytes.length * 2 <= this.#longestKey;
    if (short && database.measureKey === undefined) return false;
    const measured = this.#measure(database, bytes);
    return measured.bytes > measured.longest;
  }

  /** Why an entry cannot be stored, `undefined` when it can. */
  whyNotStored(
    database: KvDatabase | undefined,
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
    database: KvDatabase | undefined,
    bytes: Uint8Array,
  ): { bytes: number; longest: number } {
    const measured = database?.measureKey?.(this.of(bytes));
    if (measured !== undefined) return measured;
    return { bytes: escapedLength(bytes), longest: this.#longestKey };
  }
}

/** How many bytes a part of a key takes: a null byte takes two. */
function escapedLength(bytes: Uint8Array): number {
  let length = bytes.length;
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) {
    length++;
  }
  return length;
}
