import type { Text } from "../../bytes/text.ts";
import { commitsOf, type KvWrite, removing } from "./commits.ts";
import type { KvKeys } from "./kv_keys.ts";
import type { KvWrites } from "./kv_writes.ts";
import type { PatientDatabase } from "./patient_database.ts";
import { readMany } from "./reads.ts";

/** A key to remove, and its index in the batch. */
interface Removal extends KvWrite {
  readonly at: number;
}

/** A batch of deletes. */
export class KvDeletes implements KvWrites {
  done: boolean[];
  known = 0;
  #keys: readonly string[];
  #text: Text;
  #kvKeys: KvKeys;

  /** `kvKeys` makes database keys of `keys`. */
  constructor(keys: readonly string[], text: Text, kvKeys: KvKeys) {
    this.#keys = keys;
    this.#text = text;
    this.#kvKeys = kvKeys;
    this.done = keys.map(() => false);
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  async run(database: PatientDatabase): Promise<void> {
    this.done = this.#keys.map(() => false);
    this.known = 0;
    const removals = this.#removals(database);
    const { entries, failed } = await readMany(
      database,
      removals.map(({ key }) => key),
    );
    if (failed !== undefined) throw failed.error;
    const existing = removals.filter((_, at) =>
      entries[at].versionstamp !== null
    );
    for (const some of commitsOf(existing, removing)) {
      this.known = some[0].at;
      await removeAll(database, some);
      for (const { at } of some) this.done[at] = true;
    }
    this.known = this.done.length;
  }

  /** The keys without duplicates: only the first delete of a key removes it. */
  #removals(database: PatientDatabase): Removal[] {
    const first = new Map<string, number>();
    for (const [at, key] of this.#keys.entries()) {
      if (!first.has(key)) first.set(key, at);
    }
    const removals: Removal[] = [];
    for (const [key, at] of first) {
      const bytes = this.#text.encode(key);
      if (this.#kvKeys.isTooLong(database, bytes)) continue;
      const keyLength = this.#kvKeys.encodedLength(bytes);
      removals.push({ key: this.#kvKeys.of(bytes), keyLength, at });
    }
    return removals;
  }
}

async function removeAll(
  database: PatientDatabase,
  removals: readonly Removal[],
): Promise<void> {
  if (removals.length === 1) return await database.delete(removals[0].key);
  let atomic = database.atomic();
  for (const { key } of removals) atomic = atomic.delete!(key);
  await atomic.commit();
}
