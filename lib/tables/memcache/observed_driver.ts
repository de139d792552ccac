import type { Clock } from "../../system/clock.ts";
import type { EventListener } from "../../events.ts";
import { type ByteStrings, countOf } from "../../bytes/byte_strings.ts";
import type { Entry } from "../../table.ts";
import type { LookupTrace, MemcacheDriver } from "./memcache_driver.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "../driver.ts";

/** What an observer has to know. */
export interface Observation {
  /** The table's name. */
  readonly table: string;
  /** Told of what is done. */
  readonly onEvent: EventListener;
  /** The time. */
  readonly clock: Clock;
}

/** A memcache table that tells of all that is asked of it. */
export class ObservedDriver implements Driver {
  #driver: MemcacheDriver;
  #observation: Observation;

  /** Does what `driver` does. */
  constructor(driver: MemcacheDriver, observation: Observation) {
    this.#driver = driver;
    this.#observation = observation;
  }

  async lookup(
    key: string,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const trace: LookupTrace = { backup: 0 };
    const told = this.#timer();
    let found = 0;
    let failed = 1;
    try {
      const value = await this.#driver.lookup(key, signal, trace);
      if (value !== undefined) found = 1;
      failed = 0;
      return value;
    } finally {
      told((time) => lookupEvent(1, found, failed, trace, time));
    }
  }

  async lookupBatch(
    keys: ByteStrings,
    signal?: AbortSignal,
  ): Promise<BatchAnswer> {
    const trace: LookupTrace = { backup: 0 };
    const told = this.#timer();
    const asked = keys.starts.reduce((sum, at) => at < 0 ? sum : sum + 1, 0);
    let found = 0;
    let failed = asked;
    try {
      const answer = await this.#driver.lookupBatch(keys, signal, trace);
      const { starts } = answer.values;
      // What comes behind a failure is not sure, and counts as failed.
      const sure = answer.failed?.at ?? countOf(keys);
      failed = 0;
      for (let at = 0; at < starts.length; at++) {
        if (keys.starts[at] < 0) continue;
        if (at >= sure) failed++;
        else if (starts[at] >= 0) found++;
      }
      return answer;
    } finally {
      told((time) => lookupEvent(asked, found, failed, trace, time));
    }
  }

  updateBatch(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer> {
    return this.#observe(
      entries.length,
      () => this.#driver.updateBatch(entries, signal),
      updateEvent,
    );
  }

  get writesAtOnce(): number {
    return this.#driver.writesAtOnce;
  }

  deleteBatch(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer> {
    return this.#observe(
      keys.length,
      () => this.#driver.deleteBatch(keys, signal),
      deleteEvent,
    );
  }

  whyNotStored(key: string, value: string): Promise<string | undefined> {
    return this.#driver.whyNotStored(key, value);
  }

  sequence(): AsyncGenerator<Entry> {
    return this.#driver.sequence();
  }

  close(reason?: unknown): Promise<void> {
    return this.#driver.close(reason);
  }

  async #observe(
    asked: number,
    work: () => Promise<WriteAnswer>,
    event: (done: number, not: number, failed: number, time: Time) => Told,
  ): Promise<WriteAnswer> {
    const told = this.#timer();
    let done = 0;
    let failed = asked;
    try {
      const answer = await work();
      const sure = answer.failed?.at ?? asked;
      done = answer.done.slice(0, sure).filter(Boolean).length;
      failed = asked - sure;
      return answer;
    } finally {
      told((time) => event(done, asked - done - failed, failed, time));
    }
  }

  #timer(): (make: (time: Time) => Told) => void {
    const { table, onEvent, clock } = this.#observation;
    const started = clock.now();
    return (make) =>
      onEvent(make({ table, milliseconds: clock.now() - started }));
  }
}

type Told = Parameters<EventListener>[0];
type Time = { readonly table: string; readonly milliseconds: number };

function lookupEvent(
  asked: number,
  found: number,
  failed: number,
  trace: LookupTrace,
  time: Time,
): Told {
  // What a failure made worthless may have been answered before.
  const backup = Math.min(trace.backup, found);
  return {
    kind: "lookup",
    ...time,
    hits: found - backup,
    backup,
    misses: asked - found - failed,
    failed,
  };
}

function updateEvent(
  stored: number,
  refused: number,
  failed: number,
  time: Time,
): Told {
  return { kind: "update", ...time, stored, refused, failed };
}

function deleteEvent(
  deleted: number,
  missing: number,
  failed: number,
  time: Time,
): Told {
  return { kind: "delete", ...time, deleted, missing, failed };
}
