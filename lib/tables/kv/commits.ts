import type { KvKey } from "../../kv_database.ts";
import type { CommitsUnderWay, Pace } from "./under_way.ts";

// Limit of one commit in bytes: for the keys of entries that it stores.
const maxKeyBytes = 81920;

/** A write that is part of a commit. */
export interface KvWrite {
  /** The key. */
  readonly key: KvKey;
  /** The length in bytes of the key in the encoding of the database. */
  readonly keyLength: number;
  /** The value; absent when the entry is removed. */
  readonly data?: Uint8Array;
}

/** The limits of one kind of commit. */
export interface CommitKind {
  /** The largest number of writes. */
  readonly maxWrites: number;
  /** How often the size limit counts the key of each write. */
  readonly keyCopies: number;
}

/** Stores entries, and checks none of them: existing ones are replaced. */
export const replacing: CommitKind = { maxWrites: 512, keyCopies: 2 };
/**
 * Stores only entries that do not exist. Deno KV takes a hundred checks: one for
 * each entry, and one that a database on another machine adds.
 */
export const adding: CommitKind = { maxWrites: 99, keyCopies: 3 };
/** The same, for databases that take ten checks. */
export const addingFew: CommitKind = { maxWrites: 9, keyCopies: 3 };
/** Removes entries. */
export const removing: CommitKind = { maxWrites: 1000, keyCopies: 1 };

/** Whether a commit had more checks than the database takes. It wrote nothing. */
export function hadManyChecks(error: unknown): boolean {
  return /too ?many ?checks/i.test((error as Error).message);
}

/** Writes that are committed together. */
export interface Commit<Write extends KvWrite> {
  /** The writes. */
  readonly writes: readonly Write[];
  /** Their size, as the limit counts it. */
  readonly bytes: number;
}

/** Divides writes into as few commits as the database allows. */
export function* commitsOf<Write extends KvWrite>(
  writes: readonly Write[],
  { maxWrites, keyCopies }: CommitKind,
  { commitBytes }: Pick<Pace, "commitBytes">,
): Generator<Commit<Write>> {
  let commit: Write[] = [];
  let bytes = 0;
  let keys = 0;
  for (const write of writes) {
    const { keyLength, data } = write;
    const moreBytes = keyLength * keyCopies + (data?.length ?? 0);
    const moreKeys = data === undefined ? 0 : keyLength;
    if (
      commit.length === maxWrites ||
      commit.length > 0 && bytes + moreBytes > commitBytes ||
      keys + moreKeys > maxKeyBytes
    ) {
      yield { writes: commit, bytes };
      commit = [];
      bytes = 0;
      keys = 0;
    }
    commit.push(write);
    bytes += moreBytes;
    keys += moreKeys;
  }
  if (commit.length > 0) yield { writes: commit, bytes };
}

/**
 * Makes commits, several at once. After one that failed it starts no more, waits
 * for those under way, and throws its error.
 */
export async function makeCommits<Write extends KvWrite>(
  commits: Iterable<Commit<Write>>,
  underWay: CommitsUnderWay,
  make: (writes: readonly Write[]) => Promise<void>,
): Promise<void> {
  let failed: { readonly error: unknown } | undefined;
  const running: Promise<void>[] = [];
  for (const { writes, bytes } of commits) {
    await underWay.enter(bytes);
    if (failed !== undefined) {
      underWay.leave(bytes);
      break;
    }
    const making = make(writes).catch((error) => {
      failed ??= { error };
    }).finally(() => underWay.leave(bytes));
    running.push(making);
  }
  await Promise.all(running);
  if (failed !== undefined) throw failed.error;
}
