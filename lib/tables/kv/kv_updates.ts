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

/** How entries are stored. */
export interface Storing {
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Whether an entry that exists is replaced. */
  readonly replace: boolean;
  /** Told of an entry that exists and was kept. */
  readonly onDuplicate: (key: string) => void;
  /** Told of entries that are refused. */
  readonly refuse: Refuse;
}

/** An entry on its way, and where it stands in its batch. */
interface Write extends KvWrite {
  readonly data: Uint8Array;
  readonly at: number;
}

/** Entries that are stored. */
export class KvUpdates implements KvWrites {
  done: boolean[];
  known = 0;
  #entries: readonly Entry[];
  #storing: Storing;
  #limits: { fewChecks: boolean };
  #writes: Write[] = [];
  #kept: number[] = [];

  /** `limits` is what turned out about the database. */
  constructor(
    entries: readonly Entry[],
    storing: Storing,
    limits: { fewChecks: boolean },
  ) {
    this.#entries = entries;
    this.#storing = storing;
    this.#limits = limits;
    this.done = entries.map(() => false);
  }

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** Refuses what the database cannot have. */
  prepare(keys: KvKeys, database: KvDatabase | undefined): void {
    const { text, refuse } = this.#storing;
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
    const { replace } = this.#storing;
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

  tell(): void {
    for (const at of this.#kept) {
      this.#storing.onDuplicate(this.#entries[at].key);
    }
  }

  /** Adds the entries that do not exist; returns those. */
  async #addNew(
    database: KvDatabase,
    writes: readonly Write[],
  ): Promise<readonly Write[]> {
    const first = new Map<string, Write>();
    for (const write of writes) {
      const key = `${write.key.at(-1)}`;
      if (!first.has(key)) first.set(key, write);
    }
    const wanted = [...first.values()];
    if (!this.#limits.fewChecks) {
      try {
        return await addMissing(database, wanted);
      } catch (error) {
        // So said before anything is written.
        if (!/TooManyChecks/.test((error as Error).message)) throw error;
        this.#limits.fewChecks = true;
      }
    }
    const added: Write[] = [];
    for (const some of commitsOf(wanted, addingFew)) {
      added.push(...await addMissing(database, some));
    }
    return added;
  }
}

async function replaceAll(
  database: KvDatabase,
  writes: readonly Write[],
): Promise<readonly Write[]> {
  if (writes.length === 1) {
    await database.set(writes[0].key, writes[0].data);
    return writes;
  }
  let atomic = database.atomic();
  for (const { key, data } of writes) atomic = atomic.set(key, data);
  await atomic.commit();
  return writes;
}

/** Adds those that do not exist of entries with different keys. */
async function addMissing(
  database: KvDatabase,
  writes: readonly Write[],
): Promise<readonly Write[]> {
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

/** Adds entries unless one of them exists; whether they were added. */
async function addAll(
  database: KvDatabase,
  writes: readonly Write[],
): Promise<boolean> {
  let atomic = database.atomic();
  for (const { key, data } of writes) {
    atomic = atomic.check({ key, versionstamp: null }).set(key, data);
  }
  return (await atomic.commit()).ok;
}
