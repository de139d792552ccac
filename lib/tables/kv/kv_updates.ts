import type { KvDatabase } from "../../kv_database.ts";
import type { Text } from "../../bytes/text.ts";
import type { Entry } from "../../table.ts";
import type { Refuse } from "../driver_table.ts";
import {
  adding,
  addingFew,
  commitsOf,
  type KvWrite,
  replacing,
} from "./commits.ts";
import type { KvKeys } from "./kv_keys.ts";
import type { KvWrites } from "./kv_writes.ts";
import { readMany } from "./reads.ts";

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
}

/** An entry to store, and its index in the batch. */
interface EntryWrite extends KvWrite {
  readonly data: Uint8Array;
  readonly at: number;
}

/** A batch of updates. */
export class KvUpdates implements KvWrites {
  done: boolean[];
  known = 0;
  #entries: readonly Entry[];
  #rules: UpdateRules;
  #limits: { fewChecks: boolean };
  #writes: EntryWrite[] = [];
  #kept: number[] = [];

  /** `limits` has the known limits of the database; a run updates it. */
  constructor(
    entries: readonly Entry[],
    rules: UpdateRules,
    limits: { fewChecks: boolean },
  ) {
    this.#entries = entries;
    this.#rules = rules;
    this.#limits = limits;
    this.done = entries.map(() => false);
  }

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** Encodes the entries, and refuses those that the database cannot store. */
  prepare(keys: KvKeys, database: KvDatabase | undefined): void {
    const { text, refuse } = this.#rules;
    for (const [at, { key, value }] of this.#entries.entries()) {
      const bytes = text.encode(key);
      const data = text.encode(value);
      const reason = keys.whyNotStored(database, bytes, data);
      if (reason !== undefined) {
        refuse(key, reason, "rules");
        continue;
      }
      const keyLength = keys.encodedLength(bytes);
      this.#writes.push({ key: keys.of(bytes), keyLength, data, at });
    }
  }

  async run(database: KvDatabase): Promise<void> {
    const { replace } = this.#rules;
    this.done = this.#entries.map(() => false);
    this.#kept = [];
    this.known = 0;
    for (const some of commitsOf(this.#writes, replace ? replacing : adding)) {
      this.known = some[0].at;
      const added = replace
        ? await replaceAll(database, some)
        : await this.#addNew(database, some);
      for (const { at } of added) this.done[at] = true;
      for (const { at } of some) if (!this.done[at]) this.#kept.push(at);
    }
    this.known = this.done.length;
  }

  reportUnwritten(): void {
    for (const at of this.#kept) {
      this.#rules.onDuplicate(this.#entries[at].key);
    }
  }

  /** Adds the entries that do not exist; returns those. */
  async #addNew(
    database: KvDatabase,
    writes: readonly EntryWrite[],
  ): Promise<readonly EntryWrite[]> {
    const first = new Map<string, EntryWrite>();
    for (const write of writes) {
      const key = `${write.key.at(-1)}`;
      if (!first.has(key)) first.set(key, write);
    }
    const unique = [...first.values()];
    if (!this.#limits.fewChecks) {
      try {
        return await addMissing(database, unique);
      } catch (error) {
        // With this error, the database has written nothing.
        if (!/TooManyChecks/.test((error as Error).message)) throw error;
        this.#limits.fewChecks = true;
      }
    }
    const added: EntryWrite[] = [];
    for (const some of commitsOf(unique, addingFew)) {
      added.push(...await addMissing(database, some));
    }
    return added;
  }
}

async function replaceAll(
  database: KvDatabase,
  writes: readonly EntryWrite[],
): Promise<readonly EntryWrite[]> {
  if (writes.length === 1) {
    await database.set(writes[0].key, writes[0].data);
    return writes;
  }
  let atomic = database.atomic();
  for (const { key, data } of writes) atomic = atomic.set(key, data);
  await atomic.commit();
  return writes;
}

/** Adds the entries that do not exist; returns those. Their keys must differ. */
async function addMissing(
  database: KvDatabase,
  writes: readonly EntryWrite[],
): Promise<readonly EntryWrite[]> {
  let missing = writes;
  // Another process may add some of them between the look and the commit.
  while (missing.length > 0 && !await addAll(database, missing)) {
    const { entries, failed } = await readMany(
      database,
      missing.map(({ key }) => key),
    );
    if (failed !== undefined) throw failed.error;
    missing = missing.filter((_, at) => entries[at].versionstamp === null);
  }
  return missing;
}

/** Adds all entries, or none if one of them exists. Returns whether it did. */
async function addAll(
  database: KvDatabase,
  writes: readonly EntryWrite[],
): Promise<boolean> {
  let atomic = database.atomic();
  for (const { key, data } of writes) {
    atomic = atomic.check({ key, versionstamp: null }).set(key, data);
  }
  return (await atomic.commit()).ok;
}
