import { encodeAllStrings, stringAt } from "../../bytes/byte_strings.ts";
import type { Text } from "../../bytes/text.ts";
import type { Entry } from "../../table.ts";
import type { Refuse } from "../driver_table.ts";
import {
  adding,
  addingFew,
  type CommitKind,
  commitsOf,
  hadManyChecks,
  type KvWrite,
  makeCommits,
  replacing,
} from "./commits.ts";
import { endingFillings, Filling } from "./filling.ts";
import type { KvKeys } from "./kv_keys.ts";
import { countFinal, type KvWrites } from "./kv_writes.ts";
import type { PatientDatabase } from "./patient_database.ts";
import { findExisting } from "./reads.ts";
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
  /** The filling of the table, for the database that was open last. */
  filling?: Filling;
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
  #kvKeys: KvKeys;
  #rules: UpdateRules;
  #state: WriteState;
  /** One for each key. */
  #writes = new Map<string, EntryWrite>();
  #kept: number[] = [];
  #isFinal: boolean[];

  /** `kvKeys` makes the keys of the database. A run updates `state`. */
  constructor(
    entries: readonly Entry[],
    kvKeys: KvKeys,
    rules: UpdateRules,
    state: WriteState,
  ) {
    this.#entries = entries;
    this.#kvKeys = kvKeys;
    this.#rules = rules;
    this.#state = state;
    this.done = entries.map(() => false);
    this.#isFinal = entries.map(() => true);
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
  prepare(database: PatientDatabase | undefined): void {
    const keys = this.#kvKeys;
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
    const filling = replace ? undefined : await this.#filling(database);
    const kind = replace || filling !== undefined
      ? replacing
      : this.#addingKind;
    const commits = commitsOf(writes, kind, pace);
    await makeCommits(commits, this.#state.underWay, async (some) => {
      if (replace) {
        await this.#replaceAll(database, some);
        for (const { at, later } of some) {
          this.done[at] = true;
          for (const other of later ?? []) this.done[other] = true;
        }
      } else {
        const added = await filling?.add(some) ??
          await this.#addNew(database, some);
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

  /** The filling of the table, if this batch is worth it and the table was empty. */
  async #filling(database: PatientDatabase): Promise<Filling | undefined> {
    const filling = this.#fillingOf(database);
    return await filling?.begin() ? filling : undefined;
  }

  /** The filling of a database; of another than the last, only for a large batch. */
  #fillingOf(database: PatientDatabase): Filling | undefined {
    const { pace } = this.#rules;
    const last = this.#state.filling;
    if (last?.database === database) return last;
    if (this.#writes.size < pace.fillFrom) return undefined;
    const filling = new Filling(database, this.#kvKeys, pace, last);
    this.#state.filling = filling;
    return filling;
  }

  /** What a commit may hold that checks each entry. */
  get #addingKind(): CommitKind {
    return this.#state.fewChecks ? addingFew : adding;
  }

  /** Stores all entries. */
  async #replaceAll(
    database: PatientDatabase,
    writes: readonly EntryWrite[],
  ): Promise<void> {
    const [{ key, data }] = writes;
    // There is no mark in a database whose transactions cannot remove it.
    if (writes.length === 1 && !database.hasAtomicDelete) {
      await database.set(key, data);
      return;
    }
    await database.commit((atomic) => {
      for (const { key, data } of writes) atomic = atomic.set(key, data);
      return endingFillings(atomic, this.#kvKeys);
    });
  }

  /** Adds the entries that do not exist; returns those. */
  async #addNew(
    database: PatientDatabase,
    writes: readonly EntryWrite[],
  ): Promise<readonly EntryWrite[]> {
    const kind = this.#addingKind;
    const added: EntryWrite[] = [];
    // One by one: together they count as one commit that is under way.
    for (const { writes: some } of commitsOf(writes, kind, this.#rules.pace)) {
      try {
        added.push(...await this.#addMissing(database, some));
      } catch (error) {
        if (kind === addingFew || !hadManyChecks(error)) throw error;
        this.#state.fewChecks = true;
        added.push(...await this.#addNew(database, some));
      }
    }
    return added;
  }

  /** Adds the entries that do not exist, together; returns those. */
  async #addMissing(
    database: PatientDatabase,
    writes: readonly EntryWrite[],
  ): Promise<readonly EntryWrite[]> {
    const state = this.#state;
    let missing = writes;
    // Look first where entries exist: a commit that fails takes as long as one that
    // does not. Another process may add some between the look and the commit.
    for (let mustLook = state.someExist;; mustLook = true) {
      if (mustLook) {
        const { pace } = this.#rules;
        const existing = await findExisting(database, missing, pace);
        state.someExist = existing.size > 0;
        missing = missing.filter((write) => !existing.has(write));
      }
      if (missing.length === 0 || await this.#addAll(database, missing)) {
        return missing;
      }
    }
  }

  /** Adds all entries, or none if one of them exists. Returns whether it did. */
  async #addAll(
    database: PatientDatabase,
    writes: readonly EntryWrite[],
  ): Promise<boolean> {
    const { ok } = await database.commit((atomic) => {
      for (const { key, data } of writes) {
        atomic = atomic.check({ key, versionstamp: null }).set(key, data);
      }
      return endingFillings(atomic, this.#kvKeys);
    });
    return ok;
  }
}
