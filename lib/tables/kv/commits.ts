import type { KvKey } from "../../kv_database.ts";

// Limits of one commit in bytes: for all keys and values, and for the keys of
// entries that it stores.
const maxCommitBytes = 819200;
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

/** Stores entries, and replaces existing ones. */
export const replacing: CommitKind = { maxWrites: 1000, keyCopies: 2 };
/** Stores only entries that do not exist. */
export const adding: CommitKind = { maxWrites: 100, keyCopies: 3 };
/** The same, for databases that take fewer checks: those of `@deno/kv`. */
export const addingFew: CommitKind = { maxWrites: 10, keyCopies: 3 };
/** Removes entries. */
export const removing: CommitKind = { maxWrites: 1000, keyCopies: 1 };

/** Divides writes into as few commits as the database allows. */
export function* commitsOf<Write extends KvWrite>(
  writes: readonly Write[],
  { maxWrites, keyCopies }: CommitKind,
): Generator<Write[]> {
  let commit: Write[] = [];
  let size = 0;
  let keys = 0;
  for (const write of writes) {
    const { keyLength, data } = write;
    const moreSize = keyLength * keyCopies + (data?.length ?? 0);
    const moreKeys = data === undefined ? 0 : keyLength;
    if (
      commit.length === maxWrites || size + moreSize > maxCommitBytes ||
      keys + moreKeys > maxKeyBytes
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
