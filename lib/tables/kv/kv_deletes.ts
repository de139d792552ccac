import type { Text } from "../../bytes/text.ts";
import { commitsOf, type KvWrite, makeCommits, removing } from "./commits.ts";
import type { KvKeys } from "./kv_keys.ts";
import { countFinal, type KvWrites } from "./kv_writes.ts";
import type { WriteState } from "./kv_updates.ts";
import type { Pace } from "./under_way.ts";
import type { PatientDatabase } from "./patient_database.ts";
import { findExisting } from "./reads.ts";

/** How a batch of deletes is done. */
export interface DeleteRules {
  /** How strings represent bytes. */
  readonly text: Text;
  /** How much is under way at once. */
  readonly pace: Pace;
}

/** A key to remove, and its index in the batch. */
interface Removal extends KvWrite {
  readonly at: number;
}

/** A batch of deletes. */
export class KvDeletes implements KvWrites {
  done: boolean[];
  #keys: readonly string[];
  #kvKeys: KvKeys;
  #rules: DeleteRules;
  #state: WriteState;
  #isFinal: boolean[];
  /** The first index of each key. */
  #first = new Map<string, number>();

  /** `kvKeys` makes database keys of `keys`. */
  constructor(
    keys: readonly string[],
    kvKeys: KvKeys,
    rules: DeleteRules,
    state: WriteState,
  ) {
    this.#keys = keys;
    this.#kvKeys = kvKeys;
    this.#rules = rules;
    this.#state = state;
    this.done = keys.map(() => false);
    this.#isFinal = keys.map(() => false);
    for (const [at, key] of keys.entries()) {
      if (!this.#first.has(key)) this.#first.set(key, at);
    }
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  get known(): number {
    return countFinal(this.#isFinal);
  }

  async run(database: PatientDatabase): Promise<void> {
    const { pace } = this.#rules;
    this.done.fill(false);
    this.#isFinal.fill(false);
    const removals = this.#removals(database);
    const existing = [...await findExisting(database, removals, pace)];
    // What is not there, or comes twice, is final.
    this.#isFinal.fill(true);
    for (const { at } of existing) this.#isFinal[at] = false;
    const commits = commitsOf(existing, removing, pace);
    await makeCommits(commits, this.#state.underWay, async (some) => {
      await database.remove(some.map(({ key }) => key));
      for (const { at } of some) this.done[at] = this.#isFinal[at] = true;
    });
  }

  /** The keys without duplicates: only the first delete of a key removes it. */
  #removals(database: PatientDatabase): Removal[] {
    const removals: Removal[] = [];
    for (const [key, at] of this.#first) {
      const bytes = this.#rules.text.encode(key);
      if (this.#kvKeys.isTooLong(database, bytes)) continue;
      const keyLength = this.#kvKeys.encodedLength(bytes);
      removals.push({ key: this.#kvKeys.of(bytes), keyLength, at });
    }
    return removals;
  }
}
