import type { Clock } from "../../system/clock.ts";
import type { EventListener } from "../../events.ts";
import { type ByteStrings, countOf } from "../../bytes/byte_strings.ts";
import type { Entry } from "../../table.ts";
import type { MemcacheDriver } from "./memcache_driver.ts";
import type { LookupTrace } from "./memcache_state.ts";
import type { BatchAnswer, Driver, WriteAnswer, WritePace } from "../driver.ts";

/** What an {@linkcode ObservedDriver} needs to report events. */
export interface Observation {
  /** The table's name. */
  readonly table: string;
  /** Called with each event. */
  readonly onEvent: EventListener;
  /** The time. */
  readonly clock: Clock;
}

/** A memcache driver that reports each request as an event. */
export class ObservedDriver implements Driver {
  readonly heedsSignal = true;
  #driver: MemcacheDriver;
  #observation: Observation;

  /** Passes all requests on to `driver`. */
  constructor(driver: MemcacheDriver, observation: Observation) {
    this.#driver = driver;
    this.#observation = observation;
  }

  async lookup(
    key: string,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const trace: LookupTrace = { backup: 0 };
    const report = this.#timer();
    let found = 0;
    let failed = 1;
    try {
      const value = await this.#driver.lookup(key, signal, trace);
      if (value !== undefined) found = 1;
      failed = 0;
      return value;
    } finally {
      report((time) => lookupEvent(1, found, failed, trace, time));
    }
  }

  async lookupBatch(
    keys: ByteStrings,
    signal?: AbortSignal,
  ): Promise<BatchAnswer> {
    const trace: LookupTrace = { backup: 0 };
    const report = this.#timer();
    const count = keys.starts.reduce((sum, at) => at < 0 ? sum : sum + 1, 0);
    let found = 0;
    let failed = count;
    try {
      const answer = await this.#driver.lookupBatch(keys, signal, trace);
      const { starts } = answer.values;
      // Results after a failure are not final, and count as failed.
      const end = answer.failed?.at ?? countOf(keys);
      failed = 0;
      for (let at = 0; at < starts.length; at++) {
        if (keys.starts[at] < 0) continue;
        if (at >= end) failed++;
        else if (starts[at] >= 0) found++;
      }
      return answer;
    } finally {
      report((time) => lookupEvent(count, found, failed, trace, time));
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

  get writePace(): WritePace | undefined {
    return this.#driver.writePace;
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
    count: number,
    work: () => Promise<WriteAnswer>,
    makeEvent: (
      done: number,
      notDone: number,
      failed: number,
      time: Time,
    ) => TableEvent,
  ): Promise<WriteAnswer> {
    const report = this.#timer();
    let done = 0;
    let failed = count;
    try {
      const answer = await work();
      const end = answer.failed?.at ?? count;
      done = answer.done.slice(0, end).filter(Boolean).length;
      failed = count - end;
      return answer;
    } finally {
      report((time) => makeEvent(done, count - done - failed, failed, time));
    }
  }

  #timer(): (makeEvent: (time: Time) => TableEvent) => void {
    const { table, onEvent, clock } = this.#observation;
    const started = clock.now();
    return (makeEvent) =>
      onEvent(makeEvent({ table, milliseconds: clock.now() - started }));
  }
}

type TableEvent = Parameters<EventListener>[0];
type Time = { readonly table: string; readonly milliseconds: number };

function lookupEvent(
  count: number,
  found: number,
  failed: number,
  trace: LookupTrace,
  time: Time,
): TableEvent {
  // The backup may have answered keys that a later failure made "failed".
  const backup = Math.min(trace.backup, found);
  return {
    kind: "lookup",
    ...time,
    hits: found - backup,
    backup,
    misses: count - found - failed,
    failed,
  };
}

function updateEvent(
  stored: number,
  refused: number,
  failed: number,
  time: Time,
): TableEvent {
  return { kind: "update", ...time, stored, refused, failed };
}

function deleteEvent(
  deleted: number,
  missing: number,
  failed: number,
  time: Time,
): TableEvent {
  return { kind: "delete", ...time, deleted, missing, failed };
}
