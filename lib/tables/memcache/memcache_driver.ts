import type { ByteStrings } from "../../bytes/byte_strings.ts";
import { byteText } from "../../bytes/text.ts";
import {
  ClosedError,
  NoAnswerError,
  NotUtf8Error,
  TemporaryError,
} from "../../errors.ts";
import { beforeNull, keyOfGet } from "../../memcached/protocol.ts";
import type { ClientRequestOptions } from "../../memcached/client.ts";
import type { Entry, Table } from "../../table.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "../driver.ts";
import type { Cache, MemcacheParts } from "./cache.ts";
import { type GetCommand, tooLongKey } from "./key_rules.ts";
import type { KeysInUse } from "./keys_in_use.ts";
import type { SpareLookups } from "./lookups.ts";

/** Where the answers to lookups came from, for who wants to know. */
export interface LookupTrace {
  /** How many the backup gave. */
  backup: number;
}

/** A memcache table at work. */
export interface MemcacheState {
  /** What it is made of. */
  readonly parts: MemcacheParts;
  /** Its memcached. */
  readonly cache: Cache;
  /** Which keys are looked up and written now. */
  readonly keysInUse: KeysInUse;
  /** Memory of lookups that are done with, for others. */
  readonly spare: SpareLookups[];
}

/**
 * The memcache first, the backup last. The backup's verdict replaces the
 * memcache's; `key_format` and `key_digest` never apply to it.
 */
export class MemcacheDriver implements Driver {
  #parts: MemcacheParts;
  /** Loaded when there is more to do than to look one key up in memcached. */
  #state: Promise<MemcacheState> | undefined;

  /** Takes over the client, the backup and the tables of the domain list. */
  constructor(parts: MemcacheParts) {
    this.#parts = parts;
  }

  lookup(
    key: string,
    signal?: AbortSignal,
    trace?: LookupTrace,
  ): Promise<string | undefined> {
    const command = this.#parts.keys.getCommand(key);
    return command instanceof Promise
      ? command.then((made) => this.#lookup(key, made, signal, trace))
      : this.#lookup(key, command, signal, trace);
  }

  #lookup(
    key: string,
    command: GetCommand,
    signal: AbortSignal | undefined,
    trace: LookupTrace | undefined,
  ): Promise<string | undefined> {
    const { name, backup, onDetail } = this.#parts;
    if (typeof command === "string") {
      onDetail?.(`${name}: skipping the lookup of "${key}": ${command}`);
      return Promise.resolve(undefined);
    }
    return backup === undefined
      ? this.#get(key, command, { signal })
      : this.#getOrAsk(backup, key, command, signal, trace);
  }

  async #get(
    key: string,
    command: Uint8Array | number,
    options: ClientRequestOptions,
  ): Promise<string | undefined> {
    const { name, client, keys: { text }, onDetail } = this.#parts;
    if (typeof command === "number") throw tooLongKey(name, key, command);
    const reply = await client.request("get", command, options);
    onDetail?.(
      `${name}: lookup "${key}" as ` +
        `"${keyOf(command)}": ${reply.kind}`,
    );
    if (reply.kind !== "value") return undefined;
    const data = beforeNull(reply.data);
    const value = text.decode(data);
    if (value === undefined) throw new NotUtf8Error(name, key, data);
    return value;
  }

  async #getOrAsk(
    backup: Table,
    key: string,
    command: Uint8Array | number,
    signal: AbortSignal | undefined,
    trace: LookupTrace | undefined,
  ): Promise<string | undefined> {
    const state = await this.#load();
    const { cache } = state;
    let memcacheKey: string | undefined;
    let isMiss = false;
    if (typeof command === "number") {
      cache.reportLongKey(tooLongKey(this.#parts.name, key, command));
    } else if (cache.unsure.has(memcacheKey = keyOf(command))) {
      cache.removeUnsure();
    } else {
      try {
        const options = cache.requestOptions(signal);
        const cached = await this.#get(key, command, options);
        cache.answered("reads");
        if (cached !== undefined) return cached;
        isMiss = true;
      } catch (error) {
        if (!(error instanceof TemporaryError)) throw error;
        cache.outage.report("reads", error);
        // The backup's answer need not wait for another time-out.
        if (error instanceof NoAnswerError) memcacheKey = undefined;
      }
    }
    const { lookupInBackup } = await import("./backup_lookups.ts");
    let found: string | undefined;
    const failed = await lookupInBackup(
      { ...state, backup },
      [{ at: 0, key, memcacheKey, isMiss }],
      (_, value) => found = value,
      signal,
    );
    if (failed !== undefined) throw failed.error;
    if (found !== undefined && trace !== undefined) trace.backup++;
    return found;
  }

  async lookupBatch(
    keys: ByteStrings,
    signal?: AbortSignal,
    trace?: LookupTrace,
  ): Promise<BatchAnswer> {
    const { lookupKeys } = await import("./lookups.ts");
    return await lookupKeys(await this.#load(), keys, signal, trace);
  }

  /** A backup has to be written in the order of the batches. */
  get writesAtOnce(): number {
    return this.#parts.backup === undefined ? 4 : 1;
  }

  async updateBatch(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer> {
    const { updateEntries } = await import("./writes.ts");
    return await updateEntries(await this.#load(), entries, signal);
  }

  async whyNotStored(key: string, value: string): Promise<string | undefined> {
    const { whyNotStored } = await import("./writes.ts");
    return await whyNotStored(this.#parts, key, value);
  }

  async deleteBatch(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer> {
    const { deleteKeys } = await import("./writes.ts");
    return await deleteKeys(await this.#load(), keys, signal);
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
    const { name, client, owned } = this.#parts;
    const state = await this.#state;
    if (state === undefined) {
      await client.close(reason ?? new ClosedError(name));
    } else await state.cache.close(reason);
    for (const table of owned) await table.close();
  }

  #load(): Promise<MemcacheState> {
    return this.#state ??= this.#loadNow();
  }

  async #loadNow(): Promise<MemcacheState> {
    const { Cache } = await import("./cache.ts");
    const { KeysInUse } = await import("./keys_in_use.ts");
    return {
      parts: this.#parts,
      cache: new Cache(this.#parts),
      keysInUse: new KeysInUse(),
      spare: [],
    };
  }
}

/** The memcache key of a lookup, one character for each byte. */
function keyOf(command: Uint8Array): string {
  return byteText.decode(keyOfGet(command))!;
}
