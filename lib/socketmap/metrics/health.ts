import { reasonOf } from "../../errors.ts";
import type { Clock, Timer } from "../../system/clock.ts";
import { lookupOrReject, type LookupTable, oneLine } from "../answers.ts";

// Milliseconds for which an answer is kept: however many ask, each table has one
// lookup a second for it.
const keptFor = 1000;

/** Tells whether tables answer, by a lookup in each. */
export class Health {
  #tables: Readonly<Record<string, LookupTable>>;
  #key: string;
  #timeout: number;
  #clock: Clock;
  #answer: Promise<readonly string[]> | undefined;
  #answeredAt: number | undefined;
  /** The lookups that go on, also after their time. */
  #pending = new Map<string, Promise<string | undefined>>();
  #timers = new Set<Timer>();

  /** Looks `key` up, and waits up to `timeout` milliseconds for each table. */
  constructor(
    tables: Readonly<Record<string, LookupTable>>,
    { key, timeout, clock }: { key: string; timeout: number; clock: Clock },
  ) {
    this.#tables = tables;
    this.#key = key;
    this.#timeout = timeout;
    this.#clock = clock;
  }

  /**
   * Why tables do not answer, a line for each; empty if all do. Asks all tables at
   * once. The answer may be a second old.
   */
  check(): Promise<readonly string[]> {
    const isOld = this.#answeredAt !== undefined &&
      this.#clock.now() - this.#answeredAt >= keptFor;
    if (this.#answer === undefined || isOld) {
      this.#answeredAt = undefined;
      this.#answer = this.#checkAll();
    }
    return this.#answer;
  }

  /** Stops all timers. */
  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  async #checkAll(): Promise<readonly string[]> {
    const reasons = await Promise.all(
      Object.entries(this.#tables).map(([name, table]) =>
        this.#checkOne(name, table)
      ),
    );
    this.#answeredAt = this.#clock.now();
    return reasons.filter((reason) => reason !== undefined);
  }

  async #checkOne(
    name: string,
    table: LookupTable,
  ): Promise<string | undefined> {
    let timer: Timer | undefined;
    const timeout = new Promise<string>((resolve) => {
      const late = `no answer within ${this.#timeout / 1000} s`;
      timer = this.#clock.setTimer(this.#timeout, () => resolve(late));
      this.#timers.add(timer);
    });
    const lookup = this.#lookUp(name, table).then(() => undefined, reasonOf);
    const reason = await Promise.race([lookup, timeout]);
    timer!.cancel();
    this.#timers.delete(timer!);
    return reason === undefined ? undefined : oneLine(`${name}: ${reason}`);
  }

  /** A table that hangs is not asked again. */
  #lookUp(name: string, table: LookupTable): Promise<string | undefined> {
    let lookup = this.#pending.get(name);
    if (lookup === undefined) {
      const settled = () => void this.#pending.delete(name);
      lookup = lookupOrReject(table, this.#key);
      this.#pending.set(name, lookup);
      lookup.then(settled, settled);
    }
    return lookup;
  }
}
