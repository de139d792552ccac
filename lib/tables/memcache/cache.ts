import type { ByteStrings } from "../../bytes/byte_strings.ts";
import { byteLength } from "../../bytes/text.ts";
import { ClosedError, recoveryMessage, TemporaryError } from "../../errors.ts";
import type { ConnectionEvent } from "../../memcached/connection_event.ts";
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
import type { InnerTable, Refuse } from "../driver_table.ts";
import type { KeyRules, KnownDomains } from "./key_rules.ts";
import { type CommandKind, Outage } from "./outage.ts";
import type { MemcacheParameters } from "./parameters.ts";
import { StaleKeys, staleKeysWarning } from "./stale_keys.ts";

/** The parts of a memcache table. */
export interface MemcacheParts {
  /** The table's name in messages. */
  readonly name: string;
  /** The parameters of the table. */
  readonly parameters: MemcacheParameters;
  /** Makes memcache keys of lookup keys. */
  readonly keys: KeyRules;
  /** Finds out at once what tables of the domain list say to the keys of a batch. */
  readonly knowDomains?: (
    keys: ByteStrings,
    signal?: AbortSignal,
  ) => Promise<KnownDomains>;
  /** The connection to memcached. */
  readonly client: MemcacheClient;
  /** The persistent backup, if any. */
  readonly backup?: InnerTable;
  /** The tables to close with it: the backup, and tables of the domain list. */
  readonly owned: readonly Table[];
  /** The clock. */
  readonly clock: Clock;
  /** Called with each warning, for example of an outage. */
  readonly onWarning: (message: string) => void;
  /** Called with each refused update. */
  readonly refuse: Refuse;
  /** Called with a message when an outage has ended. */
  readonly onRecovery?: (message: string) => void;
  /** Called with the start and the end of outages. */
  readonly observe?: (event: ConnectionEvent) => void;
  /** Called with details of requests, such as skipped keys. */
  readonly onDetail?: (message: string) => void;
}

/** The limits of a reply. */
export function limitsOf(parameters: MemcacheParameters): ReplyLimits {
  return {
    lineSizeLimit: parameters.line_size_limit,
    dataSizeLimit: parameters.data_size_limit,
  };
}

// The number of fills (writes to memcached of values from the backup) that may run
// at a time. Above the first limit, the next fill waits for the oldest one. During
// an outage the second limit applies, and fills above it are dropped.
const maxFills = 8;
const maxFillsInOutage = 1000;

/** The memcached of a table, with its known state. */
export class Cache {
  /** Tells whether memcached fails. */
  readonly outage: Outage;
  /** Keys that may have an old value in memcached. */
  readonly stale: StaleKeys;
  #parts: MemcacheParts;
  #fills = new Set<Promise<void>>();
  #hasLongKeys = false;

  /** Sends nothing yet. */
  constructor(parts: MemcacheParts) {
    this.#parts = parts;
    const { name, parameters, client, clock, onWarning, observe } = parts;
    this.outage = new Outage(
      onWarning,
      clock,
      parameters.retry_pause * 1000,
      {
        onStart: observe && ((reason) => observe({ kind: "outage", reason })),
        onEnd: (end) => {
          observe?.({ kind: "recovery", ...end });
          if (!end.answers) return;
          const message = recoveryMessage(end.milliseconds, end.failures);
          parts.onRecovery?.(`${name}: memcached ${message}`);
        },
      },
    );
    client.keepOrder(new WriteOrder());
    this.stale = new StaleKeys(
      client,
      limitsOf(parameters),
      () => onWarning(staleKeysWarning(name, this.stale, parameters.ttl)),
    );
  }

  /** With a backup, a memcached that is known to fail gets only one try. */
  #tries(signal: AbortSignal | undefined): ClientRequestOptions {
    const isKnown = this.#parts.backup !== undefined && this.outage.isKnown;
    return isKnown ? { signal, maxTry: 1 } : { signal };
  }

  /**
   * The options of a request. With a backup, throws after a recent time-out: memcached
   * is left alone for a while, and the backup answers.
   */
  requestOptions(signal: AbortSignal | undefined): ClientRequestOptions {
    const { silence } = this.outage;
    if (this.#parts.backup !== undefined && silence !== undefined) {
      throw silence;
    }
    return this.#tries(signal);
  }

  /** Memcached did a command of this kind. */
  answered(kind: CommandKind): void {
    this.outage.end(kind);
    this.removeStale();
  }

  /** Looks up many keys. `gets` has the values and the errors. */
  async getMany(gets: GetMany, signal: AbortSignal | undefined): Promise<void> {
    if (gets.count === 0) return;
    try {
      const options = this.requestOptions(signal);
      await sendExchange(this.#parts.client, gets.finish(), options);
    } catch (error) {
      gets.abandon();
      for (const [number] of gets.missing()) gets.errors.set(number, error);
    }
    if (gets.errors.size === 0) this.answered("reads");
  }

  /** Writes. `writes` has the result of each command. */
  async write(
    writes: WriteMany,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (writes.count === 0) return;
    const { client, backup } = this.#parts;
    const { failures } = this.stale;
    try {
      await sendExchange(client, writes, this.requestOptions(signal));
    } catch (error) {
      if (!(error instanceof TemporaryError)) {
        // The backup is not written then, but memcached may be.
        if (backup !== undefined) this.#addStale(writes);
        throw error;
      }
      for (const [at] of writes.keys(false)) writes.errors.set(at, error);
    }
    if (backup === undefined) return;
    this.#settle(writes, failures);
    for (const at of [...writes.errors.keys(), ...writes.refusals.keys()]) {
      this.stale.add(writes.keyAt(at));
    }
    if (writes.errors.size + writes.refusals.size === 0) {
      this.answered("writes");
    }
  }

  /** The keys that memcached stored are up to date. */
  #settle(writes: WriteMany, failures: number): void {
    if (this.stale.size === 0) return;
    for (const [, key] of writes.keys(true)) this.stale.settle(key, failures);
  }

  #addStale(writes: WriteMany): void {
    for (let at = 0; at < writes.count; at++) this.stale.add(writes.keyAt(at));
  }

  /**
   * Stores values from the backup in the background, and then calls `onEnd`.
   * Resolves immediately, unless many fills are running.
   */
  async fill(writes: WriteMany, onEnd: () => void): Promise<void> {
    if (writes.count === 0) return onEnd();
    const { size } = this.#fills;
    if (this.outage.isKnown) {
      if (size >= maxFillsInOutage) return onEnd();
    } else if (size >= maxFills) await this.#fills.values().next().value;
    const filling = this.#fill(writes).finally(() => {
      this.#fills.delete(filling);
      onEnd();
    });
    this.#fills.add(filling);
  }

  /** Never rejects: a failed fill loses nothing. */
  async #fill(writes: WriteMany): Promise<void> {
    const { client } = this.#parts;
    const { failures } = this.stale;
    try {
      await sendExchange(client, writes, this.#tries(undefined));
    } catch {
      // The table was closed.
      return;
    }
    this.#settle(writes, failures);
    if (!this.reportWrites(writes)) this.answered("writes");
  }

  /** Reports the first failure or refusal. Returns whether there is one. */
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

  /** Warns once that a key is too long for memcached; later ones are details. */
  reportLongKey(error: unknown): void {
    const { onWarning, onDetail } = this.#parts;
    const report = this.#hasLongKeys ? onDetail : onWarning;
    this.#hasLongKeys = true;
    report?.(`${(error as Error).message}; going on with the backup`);
  }

  /** Whether a value is short enough for memcached. Reports one that is not. */
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

  /** The length of a value in bytes. */
  sizeOf(value: string): number {
    return byteLength(this.#parts.keys.text, value);
  }

  /** Removes stale keys in the background, if memcached answers. */
  removeStale(): void {
    if (this.stale.size > 0) void this.stale.remove();
  }

  /** Ends all requests with `reason`. Without a reason, finishes fills first. */
  async close(reason: unknown): Promise<void> {
    const { name, parameters, client, onWarning } = this.#parts;
    if (reason === undefined) {
      await Promise.all(this.#fills);
      // A memcached that refuses updates may still remove keys.
      if (this.stale.size > 0 && this.outage.silence === undefined) {
        await this.stale.remove();
      }
    }
    await client.close(reason ?? new ClosedError(name));
    this.outage.close();
    if (this.stale.size > 0) {
      onWarning(staleKeysWarning(name, this.stale, parameters.ttl));
    }
  }
}
