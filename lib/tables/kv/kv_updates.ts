import { encodeAllStrings, stringAt } from "../../bytes/byte_strings.ts";
import type { Text } from "../../bytes/text.ts";
import type { Entry } from "../../table.ts";
import type { Refuse } from "../driver_table.ts";
import {
  adding,
  addingFew,
  commitsOf,
  hadManyChecks,
  type KvWrite,
  makeCommits,
  replacing,
} from "./commits.ts";
import type { KvKeys } from "./kv_keys.ts";
import { countFinal, type KvWrites } from "./kv_writes.ts";
import type { PatientDatabase } from "./patient_database.ts";
import { readMany } from "./reads.ts";
import type { CommitsUnderWay, Pace } from "./under_way.ts";

/** The rules for updates. */
export interface UpdateRules {
  /** How strings represent bytes. */
  readonly text: Text;
  /** Whether an existing entry is replaced. */
  readonly replace: boolean;
  /** Called with the key when an existing entry is kept. */
  readonly onDuplicate: (key: string) => void;
  /** Called with each refused update. */
  readonly refuse: Refuse;
  /** How much is under way at once. */
  readonly pace: Pace;
}

/** What a table knows of its database, and what is under way there. */
export interface WriteState {
  /** Whether the database is known to allow only few checks in one commit. */
  fewChecks: boolean;
  /** Whether some of the last entries that were looked for existed. */
  someExist: boolean;
  /** The commits of all batches. */
  readonly underWay: CommitsUnderWay;
}

/** An entry to store, and its index in the batch. */
interface EntryWrite extends KvWrite {
  data: Uint8Array;
  readonly at: number;
  /** The indexes of later entries of the same key. */
  later?: number[];
}

/** A batch of updates. */
export class KvUpdates implements KvWrites {
  done: boolean[];
  #entries: readonly Entry[];
  #rules: UpdateRules;
  #state: WriteState;
  /** One for each key. */
  #writes = new Map<string, EntryWrite>();
  #kept: number[] = [];
  #isFinal: boolean[];

  /** A run updates `state`. */
  constructor(
    entries: readonly Entry[],
    rules: UpdateRules,
    state: WriteState,
  ) {
    this.#entries = entries;
    this.#rules = rules;
    this.#state = state;
    this.done = entries.map(() => false);
    this.#isFinal = entries.map(() => true);
  }

  /** Whether it writes an entry of this key. */
  has(key: string): boolean {
    return this.#writes.has(key);
  }

  get isEmpty(): boolean {
    return this.#writes.size === 0;
  }

  get known(): number {
    return countFinal(this.#isFinal);
  }

  /**
   * Encodes the entries, and refuses those that the database cannot store. Of
   * several entries of one key, one is stored: the last, or the first where an
   * update keeps what exists.
   */
  prepare(keys: KvKeys, database: PatientDatabase | undefined): void {
    const { text, refuse, replace } = this.#rules;
    const encodedKeys = encodeAllStrings(
      this.#entries.map(({ key }) => key),
      text,
    );
    const values = encodeAllStrings(
      this.#entries.map(({ value }) => value),
      text,
    );
    for (const [at, { key }] of this.#entries.entries()) {
      const bytes = stringAt(encodedKeys, at)!;
      const data = stringAt(values, at)!;
      const reason = keys.whyNotStored(database, bytes, data);
      if (reason !== undefined) {
        refuse(key, reason, "rules");
        continue;
      }
      this.#isFinal[at] = false;
      const earlier = this.#writes.get(key);
      if (earlier !== undefined) {
        (earlier.later ??= []).push(at);
        if (replace) earlier.data = data;
        continue;
      }
      const keyLength = keys.encodedLength(bytes);
      this.#writes.set(key, { key: keys.of(bytes), keyLength, data, at });
    }
  }

  async run(database: PatientDatabase): Promise<void> {
    const { replace, pace } = this.#rules;
    const writes = [...this.#writes.values()];
    this.done.fill(false);
    this.#kept = [];
    for (const { at, later } of writes) {
      this.#isFinal[at] = false;
      for (const other of later ?? []) this.#isFinal[other] = false;
    }
    const kind = replace
      ? replacing
      : this.#state.fewChecks
      ? addingFew
      : adding;
    const commits = commitsOf(writes, kind, pace);
    await makeCommits(commits, this.#state.underWay, async (some) => {
      if (replace) {
        await replaceAll(database, some);
        for (const { at, later } of some) {
          this.done[at] = true;
          for (const other of later ?? []) this.done[other] = true;
        }
      } else {
        const added = await this.#addNew(database, some);
        for (const { at } of added) this.done[at] = true;
      }
      for (const { at, later } of some) {
        this.#end(at);
        for (const other of later ?? []) this.#end(other);
      }
    });
  }

  #end(at: number): void {
    this.#isFinal[at] = true;
    if (!this.done[at]) this.#kept.push(at);
  }

  reportUnwritten(): void {
    // Commits do not end in the order of the entries.
    for (const at of this.#kept.sort((one, other) => one - other)) {
      this.#rules.onDuplicate(this.#entries[at].key);
    }
  }

  /** Adds the entries that do not exist; returns those. */
  async #addNew(
    database: PatientDatabase,
    writes: readonly EntryWrite[],
  ): Promise<readonly EntryWrite[]> {
    const { pace } = this.#rules;
    const isFew = writes.length <= addingFew.maxWrites;
    if (isFew || !this.#state.fewChecks) {
      try {
        return await addMissing(database, writes, pace, this.#state);
      } catch (error) {
        if (isFew || !hadManyChecks(error)) throw error;
        this.#state.fewChecks = true;
      }
    }
    const added: EntryWrite[] = [];
    // One by one: together they count as one commit that is under way.
    for (const { writes: some } of commitsOf(writes, addingFew, pace)) {
      added.push(...await addMissing(database, some, pace, this.#state));
    }
    return added;
  }
}

async function replaceAll(
  database: PatientDatabase,
  writes: readonly EntryWrite[],
): Promise<void> {
  if (writes.length === 1) {
    await database.set(writes[0].key, writes[0].data);
    return;
  }
  await database.commit((atomic) => {
    for (const { key, data } of writes) atomic = atomic.set(key, data);
    return atomic;
  });
}

/** Adds the entries that do not exist; returns those. Their keys must differ. */
async function addMissing(
  database: PatientDatabase,
  writes: readonly EntryWrite[],
  pace: Pace,
  state: WriteState,
): Promise<readonly EntryWrite[]> {
  let missing = writes;
  // Look first where entries exist: a commit that fails takes as long as one that
  // does not. Another process may add some between the look and the commit.
  for (let mustLook = state.someExist;; mustLook = true) {
    if (mustLook) {
      const { entries, failed } = await readMany(
        database,
        missing.map(({ key }) => key),
        pace,
      );
      if (failed !== undefined) throw failed.error;
      state.someExist = entries.some(({ versionstamp }) =>
        versionstamp !== null
      );
      missing = missing.filter((_, at) => entries[at].versionstamp === null);
    }
    if (missing.length === 0 || await addAll(database, missing)) return missing;
  }
}

/** Adds all entries, or none if one of them exists. Returns whether it did. */
async function addAll(
  database: PatientDatabase,
  writes: readonly EntryWrite[],
): Promise<boolean> {
  const { ok } = await database.commit((atomic) => {
    for (const { key, data } of writes) {
      atomic = atomic.check({ key, versionstamp: null }).set(key, data);
    }
    return atomic;
  });
  return ok;
}
