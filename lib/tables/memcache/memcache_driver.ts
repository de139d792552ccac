import type { MemcacheParameters } from "./parameters.ts";
import { NoAnswerError, NotUtf8Error, TemporaryError } from "../../errors.ts";
import { byteText } from "../../bytes/text.ts";
import { type KeyRules, type PreparedKey, prepareKey } from "./key_rules.ts";
import type { MemcacheClient } from "../../memcached/client.ts";
import {
  beforeNull,
  encodeDelete,
  encodeSet,
  longestKey,
  type ReplyLimits,
} from "../../memcached/protocol.ts";
import type { Entry, Table } from "../../table.ts";
import type { ByteStrings } from "../../bytes/byte_strings.ts";
import type { SpareLookups } from "./writes.ts";
import type { BatchAnswer, Driver } from "../driver.ts";

/** What a memcache table is made of. */
export interface MemcacheParts {
  /** The table's name in messages. */
  readonly name: string;
  /** Its parameters. */
  readonly parameters: MemcacheParameters;
  /** From lookup key to memcache key. */
  readonly keys: KeyRules;
  /** The connection to memcached. */
  readonly client: MemcacheClient;
  /** The persistent backup, if any. */
  readonly backup?: Table;
  /** What is closed with the table: the backup, tables of the domain list. */
  readonly owned: readonly Table[];
  /** Told of refusals and outages. */
  readonly onWarning: (message: string) => void;
  /** Told of keys that are skipped, and what was asked for. */
  readonly onDetail?: (message: string) => void;
}

/** Where the answers to lookups came from, for who wants to know. */
export interface LookupTrace {
  /** How many the backup gave. */
  backup: number;
}

/** What memcached is asked for. */
export type Asked = "reads" | "writes";

/** A memcached that fails while a backup answers, and what is said of it. */
export class Outage {
  #onWarning: (message: string) => void;
  #reported: Asked | undefined;

  /** It is not known that there is one. */
  constructor(onWarning: (message: string) => void) {
    this.#onWarning = onWarning;
  }

  /** Memcached failed. One warning an outage: a bulk run would print thousands. */
  report(asked: Asked, error: TemporaryError): void {
    if (this.#reported !== undefined) return;
    this.#onWarning(`${error.message}; going on with the backup`);
    this.#reported = asked;
  }

  /** Memcached answered: one that is full does so, but only to reads. */
  over(asked: Asked): void {
    if (this.#reported === asked) this.#reported = undefined;
  }
}

/** What a reply may have at most. */
export function limitsOf(parameters: MemcacheParameters): ReplyLimits {
  return {
    lineSizeLimit: parameters.line_size_limit,
    dataSizeLimit: parameters.data_size_limit,
  };
}

/** What is said of a key of which memcached wants nothing to know. */
export function tooLongKey(
  name: string,
  key: string,
  bytes: number,
): TemporaryError {
  return new TemporaryError(
    `${name}: key "${shorten(key)}" makes a memcache key of ${bytes} ` +
      `bytes, and memcached takes ${longestKey}: set key_digest = sha256`,
  );
}

/** Says that a value does not go to memcached. */
export function warnOfLongValue(
  { name, parameters, onWarning }: MemcacheParts,
  key: string,
  size: number,
): void {
  onWarning(
    `${name}: not storing key "${key}" in memcached: its ${size} bytes ` +
      `are more than data_size_limit = ${parameters.data_size_limit}`,
  );
}

/**
 * The memcache first, the backup last. The backup's verdict replaces the
 * memcache's; `key_format` and `key_digest` never apply to it.
 */
export class MemcacheDriver implements Driver {
  #parts: MemcacheParts;
  #outage: Outage;
  #spare: SpareLookups[] = [];

  /** Takes over the client, the backup and the tables of the domain list. */
  constructor(parts: MemcacheParts) {
    this.#parts = parts;
    this.#outage = new Outage(parts.onWarning);
  }

  lookup(
    key: string,
    signal?: AbortSignal,
    trace?: LookupTrace,
  ): Promise<string | undefined> {
    const prepared = prepareKey(this.#parts.keys, key);
    return prepared instanceof Promise
      ? prepared.then((answer) => this.#lookup(key, answer, signal, trace))
      : this.#lookup(key, prepared, signal, trace);
  }

  #lookup(
    key: string,
    prepared: PreparedKey,
    signal?: AbortSignal,
    trace?: LookupTrace,
  ): Promise<string | undefined> {
    if ("skipped" in prepared) {
      this.#detailSkipped("lookup", key, prepared.skipped);
      return Promise.resolve(undefined);
    }
    const { backup } = this.#parts;
    return backup === undefined
      ? this.#get(key, prepared, signal)
      : this.#getOrFill(backup, key, prepared, signal, trace);
  }

  async #getOrFill(
    backup: Table,
    key: string,
    prepared: PreparedKey,
    signal?: AbortSignal,
    trace?: LookupTrace,
  ): Promise<string | undefined> {
    let isSilent = false;
    try {
      const cached = await this.#get(key, prepared, signal);
      if (cached !== undefined) return cached;
    } catch (error) {
      this.#reportOrThrow("reads", error);
      isSilent = error instanceof NoAnswerError;
    }
    const value = await backup.lookup(key, { signal });
    if (value !== undefined && trace !== undefined) trace.backup++;
    // The backup's answer need not wait for another time-out.
    if (value !== undefined && !isSilent) {
      await this.#orBackup(this.#set(key, prepared, value, signal));
    }
    return value;
  }

  async lookupBatch(
    keys: ByteStrings,
    signal?: AbortSignal,
    trace?: LookupTrace,
  ): Promise<BatchAnswer> {
    const { lookupKeys } = await import("./lookups.ts");
    return await lookupKeys(this.#batch(signal), keys, trace);
  }

  async update(
    key: string,
    value: string,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { name, keys, backup, onWarning } = this.#parts;
    const prepared = await prepareKey(keys, key);
    if ("skipped" in prepared) {
      onWarning(`${name}: not storing key "${key}": ${prepared.skipped}`);
      return false;
    }
    const setting = this.#set(key, prepared, value, signal);
    if (backup === undefined) return await setting;
    const cached = await this.#orBackup(setting);
    const stored = await backup.update(key, value, { signal });
    // What the backup keeps instead is what lookups shall find.
    if (cached && !stored) {
      await this.#orBackup(this.#delete(key, prepared, signal));
    }
    return stored;
  }

  /** A backup has to be written in the order of the batches. */
  get writesAtOnce(): number {
    return this.#parts.backup === undefined ? 4 : 1;
  }

  async updateBatch(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<boolean[]> {
    const { updateEntries } = await import("./writes.ts");
    return await updateEntries(this.#batch(signal), entries);
  }

  async deleteBatch(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<boolean[]> {
    const { deleteKeys } = await import("./writes.ts");
    return await deleteKeys(this.#batch(signal), keys);
  }

  #batch(signal?: AbortSignal) {
    return {
      parts: this.#parts,
      outage: this.#outage,
      signal,
      spare: this.#spare,
    };
  }

  async delete(key: string, signal?: AbortSignal): Promise<boolean> {
    const prepared = await prepareKey(this.#parts.keys, key);
    if ("skipped" in prepared) {
      this.#detailSkipped("delete", key, prepared.skipped);
      return false;
    }
    const { backup } = this.#parts;
    const deleted = this.#delete(key, prepared, signal);
    if (backup === undefined) return await deleted;
    await this.#orBackup(deleted);
    return await backup.delete(key, { signal });
  }

  async *sequence(): AsyncGenerator<Entry> {
    const { name, backup, onWarning } = this.#parts;
    if (backup === undefined) {
      onWarning(
        `${name}: nothing to list: memcached cannot list its keys; ` +
          `add a "backup" that can`,
      );
      return;
    }
    yield* backup;
  }

  async close(reason?: unknown): Promise<void> {
    const { client, owned } = this.#parts;
    await client.close(reason);
    for (const table of owned) await table.close();
  }

  async #get(
    key: string,
    prepared: PreparedKey,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const { name, client, keys, onDetail } = this.#parts;
    const memcacheKey = this.#sendable(key, prepared);
    const reply = await client.get(byteText, memcacheKey, signal);
    this.#outage.over("reads");
    onDetail?.(`${name}: lookup "${key}" as "${memcacheKey}": ${reply.kind}`);
    if (reply.kind !== "value") return undefined;
    const data = beforeNull(reply.data);
    const value = keys.text.decode(data);
    if (value === undefined) throw new NotUtf8Error(name, key, data);
    return value;
  }

  async #set(
    key: string,
    prepared: PreparedKey,
    value: string,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { name, client, keys, parameters, onDetail } = this.#parts;
    const data = keys.text.encode(value);
    if (data.length > parameters.data_size_limit) {
      warnOfLongValue(this.#parts, key, data.length);
      return false;
    }
    const memcacheKey = this.#sendable(key, prepared);
    const { flags, ttl } = parameters;
    const request = encodeSet(byteText, memcacheKey, data, flags, ttl);
    await client.request("set", request, signal);
    this.#outage.over("writes");
    onDetail?.(`${name}: update "${key}" as "${memcacheKey}": stored`);
    return true;
  }

  async #delete(
    key: string,
    prepared: PreparedKey,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { name, client, onDetail } = this.#parts;
    const memcacheKey = this.#sendable(key, prepared);
    const request = encodeDelete(byteText, memcacheKey);
    const reply = await client.request("delete", request, signal);
    this.#outage.over("writes");
    onDetail?.(`${name}: delete "${key}" as "${memcacheKey}": ${reply.kind}`);
    return reply.kind === "deleted";
  }

  #sendable(key: string, prepared: PreparedKey): string {
    if ("key" in prepared) return prepared.key;
    const length = "tooLong" in prepared ? prepared.tooLong : 0;
    throw tooLongKey(this.#parts.name, key, length);
  }

  /** What a write did, or `undefined` with a warning when memcached failed. */
  async #orBackup<T>(written: Promise<T>): Promise<T | undefined> {
    try {
      return await written;
    } catch (error) {
      this.#reportOrThrow("writes", error);
      return undefined;
    }
  }

  #reportOrThrow(asked: Asked, error: unknown): void {
    if (!(error instanceof TemporaryError)) throw error;
    this.#outage.report(asked, error);
  }

  #detailSkipped(operation: string, key: string, reason: string): void {
    this.#parts.onDetail?.(
      `${this.#parts.name}: skipping the ${operation} of "${key}": ${reason}`,
    );
  }
}

function shorten(key: string): string {
  return key.length > 60 ? `${key.slice(0, 60)}…` : key;
}
