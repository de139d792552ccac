import { byteLength } from "../../bytes/text.ts";
import { ClosedError, TemporaryError } from "../../errors.ts";
import type {
  ClientRequestOptions,
  MemcacheClient,
} from "../../memcached/client.ts";
import { sendExchange } from "../../memcached/exchange.ts";
import type { GetMany } from "../../memcached/get_many.ts";
import type { ReplyLimits } from "../../memcached/protocol.ts";
import type { WriteMany } from "../../memcached/write_many.ts";
import { WriteOrder } from "../../memcached/write_order.ts";
import type { Clock } from "../../system/clock.ts";
import type { Table } from "../../table.ts";
import type { Refuse } from "../driver_table.ts";
import type { KeyRules } from "./key_rules.ts";
import { asBefore, type Asked, Outage } from "./outage.ts";
import type { MemcacheParameters } from "./parameters.ts";
import { UnsureKeys, unsureKeysLeft } from "./unsure_keys.ts";

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
  /** The time. */
  readonly clock: Clock;
  /** Told of outages. */
  readonly onWarning: (message: string) => void;
  /** Told of updates that are refused. */
  readonly refuse: Refuse;
  /** Told when an outage is over. */
  readonly onRecovery?: (message: string) => void;
  /** Told of keys that are skipped, and what was asked for. */
  readonly onDetail?: (message: string) => void;
}

/** What a reply may have at most. */
export function limitsOf(parameters: MemcacheParameters): ReplyLimits {
  return {
    lineSizeLimit: parameters.line_size_limit,
    dataSizeLimit: parameters.data_size_limit,
  };
}

// Writes to memcached of what the backup had, that may be under way: then the next
// ones wait for the first of them; and for a memcached that fails, there are none.
const mostFills = 8;
const mostFailingFills = 1000;

/** The memcached of a table, and what is known of its state. */
export class Cache {
  /** Whether it fails, as far as the administrator was told. */
  readonly outage: Outage;
  /** Keys under which it may have an old value. */
  readonly unsure: UnsureKeys;
  #parts: MemcacheParts;
  #fills = new Set<Promise<void>>();
  #hasLongKeys = false;

  /** Asks nothing yet. */
  constructor(parts: MemcacheParts) {
    this.#parts = parts;
    const { name, parameters, client, clock, onWarning } = parts;
    this.outage = new Outage(
      onWarning,
      clock,
      parameters.retry_pause * 1000,
      (milliseconds, failures) =>
        parts.onRecovery?.(
          `${name}: memcached ${asBefore(milliseconds, failures)}`,
        ),
    );
    client.keepOrder(new WriteOrder());
    this.unsure = new UnsureKeys(
      client,
      limitsOf(parameters),
      () => onWarning(unsureKeysLeft(name, this.unsure, parameters.ttl)),
    );
  }

  /**
   * How memcached is to be asked now: with a backup that answers, one that is
   * known to fail gets one try.
   */
  requestOptions(signal: AbortSignal | undefined): ClientRequestOptions {
    const isKnown = this.#parts.backup !== undefined && this.outage.isKnown;
    return isKnown ? { signal, maxTry: 1 } : { signal };
  }

  /** The same for a batch; throws when memcached was silent a moment ago. */
  #batchOptions(signal: AbortSignal | undefined): ClientRequestOptions {
    const { silence } = this.outage;
    if (this.#parts.backup !== undefined && silence !== undefined) {
      throw silence;
    }
    return this.requestOptions(signal);
  }

  /** Memcached did what it was asked. */
  answered(asked: Asked): void {
    this.outage.over(asked);
    this.removeUnsure();
  }

  /** Looks many keys up; what failed is told by `gets`. */
  async getMany(gets: GetMany, signal: AbortSignal | undefined): Promise<void> {
    if (gets.count === 0) return;
    try {
      const options = this.#batchOptions(signal);
      await sendExchange(this.#parts.client, gets.finish(), options);
    } catch (error) {
      for (const [number] of gets.missing()) gets.errors.set(number, error);
    }
    if (gets.errors.size === 0) this.answered("reads");
  }

  /** Writes; what became of each command is told by `writes`. */
  async write(
    writes: WriteMany,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (writes.count === 0) return;
    const { client, backup } = this.#parts;
    const { failures } = this.unsure;
    try {
      await sendExchange(client, writes, this.#batchOptions(signal));
    } catch (error) {
      if (!(error instanceof TemporaryError)) {
        // The backup is not written then, and memcached may be.
        if (backup !== undefined) this.#addUnsure(writes);
        throw error;
      }
      for (const [at] of writes.keys(false)) writes.errors.set(at, error);
    }
    if (backup === undefined) return;
    this.#settle(writes, failures);
    for (const at of [...writes.errors.keys(), ...writes.refusals.keys()]) {
      this.unsure.add(writes.keyAt(at));
    }
    if (writes.errors.size + writes.refusals.size === 0) {
      this.answered("writes");
    }
  }

  /** What was written is what the backup has. */
  #settle(writes: WriteMany, failures: number): void {
    if (this.unsure.size === 0) return;
    for (const [, key] of writes.keys(true)) this.unsure.settle(key, failures);
  }

  #addUnsure(writes: WriteMany): void {
    for (let at = 0; at < writes.count; at++) this.unsure.add(writes.keyAt(at));
  }

  /**
   * Writes what the backup had, beside all else; `onEnd` is told when that is
   * over. Resolves at once, unless many such writes are under way and go well.
   */
  async fill(writes: WriteMany, onEnd: () => void): Promise<void> {
    if (writes.count === 0) return onEnd();
    const { size } = this.#fills;
    if (this.outage.isKnown) {
      if (size >= mostFailingFills) return onEnd();
    } else if (size >= mostFills) await this.#fills.values().next().value;
    const filling = this.#fill(writes).finally(() => {
      this.#fills.delete(filling);
      onEnd();
    });
    this.#fills.add(filling);
  }

  /** Never rejects: a failure changes nothing. */
  async #fill(writes: WriteMany): Promise<void> {
    const { client } = this.#parts;
    const { failures } = this.unsure;
    try {
      await sendExchange(client, writes, this.requestOptions(undefined));
    } catch {
      // The table was closed.
      return;
    }
    this.#settle(writes, failures);
    if (!this.reportWrites(writes)) this.answered("writes");
  }

  /** Reports the first failure or refusal of some writes; whether there is one. */
  reportWrites(writes: WriteMany): boolean {
    for (const error of writes.errors.values()) {
      if (error instanceof TemporaryError) this.outage.report("writes", error);
      return true;
    }
    for (const { reason } of writes.refusals.values()) {
      this.outage.report("writes", this.#parts.client.failure(reason));
      return true;
    }
    return false;
  }

  /** Says, once, that a key is too long for memcached, and the backup has it alone. */
  reportLongKey(error: unknown): void {
    const { onWarning, onDetail } = this.#parts;
    const say = this.#hasLongKeys ? onDetail : onWarning;
    this.#hasLongKeys = true;
    say?.(`${(error as Error).message}; going on with the backup`);
  }

  /** Whether a value may go to memcached; says so when it may not. */
  fits(key: string, size: number): boolean {
    const { name, parameters, backup, onWarning, refuse } = this.#parts;
    const limit = parameters.data_size_limit;
    if (size <= limit) return true;
    const reason = `its ${size} bytes are more than data_size_limit = ${limit}`;
    if (backup === undefined) refuse(key, reason, "rules");
    else {
      onWarning(`${name}: not storing key "${key}" in memcached: ${reason}`);
    }
    return false;
  }

  /** How many bytes a value has in memcached. */
  sizeOf(value: string): number {
    return byteLength(this.#parts.keys.text, value);
  }

  /** Removes the keys of which it is unsure, if memcached answers. */
  removeUnsure(): void {
    if (this.unsure.size > 0) void this.unsure.remove();
  }

  /** Ends all requests with `reason`; without one, after what is to be written. */
  async close(reason: unknown): Promise<void> {
    const { name, parameters, client, onWarning } = this.#parts;
    if (reason === undefined) {
      await Promise.all(this.#fills);
      // One that takes no entries may still remove some.
      if (this.unsure.size > 0 && this.outage.silence === undefined) {
        await this.unsure.remove();
      }
    }
    await client.close(reason ?? new ClosedError(name));
    if (this.unsure.size > 0) {
      onWarning(unsureKeysLeft(name, this.unsure, parameters.ttl));
    }
  }
}
