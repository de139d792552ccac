import type { KvKey } from "../../kv_database.ts";

// What one commit may have at most, in bytes: keys and values, and the keys of
// what is stored.
const longestCommit = 819200;
const longestKeys = 81920;

/** A write that is part of a commit. */
export interface KvWrite {
  /** The key. */
  readonly key: KvKey;
  /** How many bytes the key takes as the database encodes it. */
  readonly keyLength: number;
  /** The value; nothing when the entry is removed. */
  readonly data?: Uint8Array;
}

/** A kind of commit. */
export interface CommitKind {
  /** Writes that it may have. */
  readonly most: number;
  /** How often the database counts the key of a write. */
  readonly keyCopies: number;
}

/** Stores entries whatever there is. */
export const replacing: CommitKind = { most: 1000, keyCopies: 2 };
/** Stores entries that do not exist. */
export const adding: CommitKind = { most: 100, keyCopies: 3 };
/** The same, for databases that take fewer checks: those of `@deno/kv`. */
export const addingFew: CommitKind = { most: 10, keyCopies: 3 };
/** Removes entries. */
export const removing: CommitKind = { most: 1000, keyCopies: 1 };

/** Divides writes into as few commits as the database allows. */
export function* commitsOf<Write extends KvWrite>(
  writes: readonly Write[],
  { most, keyCopies }: CommitKind,
): Generator<Write[]> {
  let commit: Write[] = [];
  let size = 0;
  let keys = 0;
  for (const write of writes) {
    const { keyLength, data } = write;
    const moreSize = keyLength * keyCopies + (data?.length ?? 0);
    const moreKeys = data === undefined ? 0 : keyLength;
    if (
      commit.length === most || size + moreSize > longestCommit ||
      keys + moreKeys > longestKeys
    ) {
      yield commit;
      commit = [];
      size = 0;
      keys = 0;
    }
    commit.push(write);
    size += moreSize;
    keys += moreKeys;
  }
  if (commit.length > 0) yield commit;
}
