import type { ByteStrings } from "../../bytes/byte_strings.ts";
import { byteText } from "../../bytes/text.ts";
import { ClosedError, NoAnswerError, TemporaryError } from "../../errors.ts";
import { keyOfGet } from "../../memcached/protocol.ts";
import type { ClientRequestOptions } from "../../memcached/client.ts";
import type { Entry, Table } from "../../table.ts";
import type { BatchAnswer, Driver, WriteAnswer, WritePace } from "../driver.ts";
import type { MemcacheParts } from "./cache.ts";
import { type GetCommand, tooLongKey } from "./key_rules.ts";
import type { LookupTrace, MemcacheState } from "./memcache_state.ts";
import { valueOf } from "./reply_value.ts";

/**
 * The driver of memcache tables. Each request goes to memcached first, then to the
 * backup, whose result counts. `key_format` and `key_digest` do not apply to the
 * backup.
 */
export class MemcacheDriver implements Driver {
  readonly heedsSignal = true;
  #parts: MemcacheParts;
  /** Loaded on demand: a single lookup without a backup does not need it. */
  #state: Promise<MemcacheState> | undefined;

  /** Closes the client and the `owned` tables when it is closed. */
  constructor(parts: MemcacheParts) {
    this.#parts = parts;
  }

  lookup(
    key: string,
    signal?: AbortSignal,
    trace?: LookupTrace,
  ): Promise<string | undefined> {
    const command = this.#parts.keys.getCommand(key, signal && { signal });
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
      : this.#getOrLookupInBackup(backup, key, command, signal, trace);
  }

  #get(
    key: string,
    command: Uint8Array | number,
    options: ClientRequestOptions,
  ): Promise<string | undefined> {
    const { name, client, keys: { text }, onDetail } = this.#parts;
    if (typeof command === "number") {
      return Promise.reject(tooLongKey(name, key, command));
    }
    return client.request("get", command, (reply) => {
      onDetail?.(
        `${name}: lookup "${key}" as "${keyOf(command)}": ${reply.kind}`,
      );
      return valueOf(reply, name, key, text);
    }, options);
  }

  async #getOrLookupInBackup(
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
    } else if (cache.stale.has(memcacheKey = keyOf(command))) {
      cache.removeStale();
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
        // After a time-out, do not try to store the value: it may time out, too.
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

  /** With a backup as that takes them: one batch is in memcached, another in it. */
  get writePace(): WritePace | undefined {
    const { backup } = this.#parts;
    return backup === undefined
      ? { batchSize: 1024, batches: 4 }
      : backup.writePace;
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

  endsWithProgram(): boolean {
    // Where only single lookups were made, all of them were awaited.
    return this.#state === undefined && this.#parts.owned.length === 0;
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
    const { WriteTurns } = await import("./write_turns.ts");
    return {
      parts: this.#parts,
      cache: new Cache(this.#parts),
      keysInUse: new KeysInUse(),
      turns: new WriteTurns(),
      spareBuffers: [],
    };
  }
}

/** The memcache key of a get command, as a byte string. */
function keyOf(command: Uint8Array): string {
  return byteText.decode(keyOfGet(command))!;
}
