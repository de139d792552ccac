import { byteText } from "../../../lib/bytes/text.ts";
import {
  type AtomicWrite,
  type AtomicWriteOutput,
  type Mutation,
  mutationType,
  type ReadRange,
  type SnapshotRead,
  type SnapshotReadOutput,
  valueEncoding,
  type WireEntry,
  writeStatus,
} from "./messages.ts";

/** A request that breaks a rule of the protocol or a limit of the service. */
export class BadRequest extends Error {}

/** The limits of the service, as in `denokv`, the server of Deno's own. */
export const limits = {
  writtenKey: 2048,
  readKey: 2049,
  value: 65536,
  ranges: 10,
  entries: 1000,
  checks: 10,
  mutations: 1000,
  writeSize: 819200,
};

interface Stored {
  readonly data: Uint8Array;
  readonly encoding: number;
  readonly versionstamp: Uint8Array;
  readonly expiresAt: number;
}

/**
 * The entries of a database, in the order of their encoded keys.
 *
 * It is not a table of Deno's local KV: what a client asks for are ranges of bytes,
 * many of which are no keys, as the end of all keys with a prefix. And so no value
 * is decoded and encoded again, and no limit of the local KV comes before those of
 * the service.
 */
export class Store {
  /** The most checks of one write. */
  checks = limits.checks;
  #entries = new Map<string, Stored>();
  // As byte strings, which JavaScript compares byte by byte.
  #keys: string[] = [];
  #commits = 0;

  get size(): number {
    return this.#keys.length;
  }

  /** Reads ranges. Throws {@linkcode BadRequest}. */
  read({ ranges }: SnapshotRead): SnapshotReadOutput["ranges"] {
    require(ranges.length <= limits.ranges, "Too many read ranges");
    let total = 0;
    for (const { start, end, limit } of ranges) {
      require(limit > 0, "The limit of a range is invalid");
      require(
        Math.max(start.length, end.length) <= limits.readKey,
        "A key exceeds the key size limit",
      );
      total += limit;
    }
    require(total <= limits.entries, "The read range is too large");
    return ranges.map((range) => ({ values: this.#range(range) }));
  }

  #range({ start, end, limit, reverse }: ReadRange): WireEntry[] {
    let from = this.#indexOf(text(start));
    let to = this.#indexOf(text(end));
    const values: WireEntry[] = [];
    while (from < to && values.length < limit) {
      const key = this.#keys[reverse ? --to : from++];
      const stored = this.#entries.get(key)!;
      if (stored.expiresAt <= Date.now()) continue;
      const { data, encoding, versionstamp } = stored;
      values.push({
        key: byteText.encode(key),
        value: data,
        encoding,
        versionstamp,
      });
    }
    return values;
  }

  /** The index of the first key that is not before this one. */
  #indexOf(key: string): number {
    let from = 0;
    let to = this.#keys.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#keys[middle] < key) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Changes entries if all checks hold. Throws {@linkcode BadRequest}. */
  write({ checks, mutations, enqueues }: AtomicWrite): AtomicWriteOutput {
    require(enqueues.length === 0, "Queues are not offered");
    require(checks.length <= this.checks, "Too many checks");
    require(mutations.length <= limits.mutations, "Too many mutations");
    let size = 0;
    for (const { key, versionstamp } of checks) {
      require(key.length <= limits.readKey, "A key exceeds the key size limit");
      require([0, 10].includes(versionstamp.length), "Invalid versionstamp");
      size += key.length;
    }
    for (const mutation of mutations) size += sizeOf(mutation);
    require(
      size <= limits.writeSize,
      "The total size of the atomic write is too large",
    );
    const failedChecks = [...checks.keys()].filter((at) => {
      const { key, versionstamp } = checks[at];
      const stored = this.#entries.get(text(key))?.versionstamp;
      return text(stored ?? new Uint8Array()) !== text(versionstamp);
    });
    if (failedChecks.length > 0) {
      const versionstamp = new Uint8Array();
      return { status: writeStatus.checkFailure, versionstamp, failedChecks };
    }
    const versionstamp = new Uint8Array(10);
    new DataView(versionstamp.buffer).setUint32(4, ++this.#commits);
    for (const mutation of mutations) this.#apply(mutation, versionstamp);
    return { status: writeStatus.success, versionstamp, failedChecks };
  }

  #apply(mutation: Mutation, versionstamp: Uint8Array): void {
    const key = text(mutation.key);
    const at = this.#indexOf(key);
    const isThere = this.#keys[at] === key;
    if (mutation.mutationType === mutationType.delete) {
      if (isThere) this.#keys.splice(at, 1);
      this.#entries.delete(key);
      return;
    }
    const { data, encoding } = mutation.value!;
    const expiresAt = mutation.expireAtMs || Infinity;
    this.#entries.set(key, { data, encoding, versionstamp, expiresAt });
    if (!isThere) this.#keys.splice(at, 0, key);
  }
}

/** The size of a mutation. Throws if it is not one that this server does. */
function sizeOf({ key, value, mutationType: type }: Mutation): number {
  require(key.length > 0, "A key is empty");
  require(key.length <= limits.writtenKey, "A key exceeds the key size limit");
  if (type === mutationType.delete) return key.length;
  // Sums and the like are never asked for by a table.
  require(type === mutationType.set, "Invalid mutation kind or arguments");
  require(value !== undefined, "A value is missing");
  const { data, encoding } = value!;
  require(
    Object.values(valueEncoding).includes(encoding),
    "The value encoding is unknown",
  );
  require(
    encoding !== valueEncoding.le64 || data.length === 8,
    "A number must have 8 bytes",
  );
  require(data.length <= limits.value, "A value exceeds the value size limit");
  return key.length + data.length;
}

function require(holds: boolean, message: string): void {
  if (!holds) throw new BadRequest(`${message}.`);
}

function text(bytes: Uint8Array): string {
  return byteText.decode(bytes)!;
}
