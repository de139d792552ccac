/** How much of a database is under way at once. */
export interface Pace {
  /** Calls of `getMany` for one batch of keys. */
  readonly reads: number;
  /** Calls of `get`, where there is no `getMany`. */
  readonly gets: number;
  /** Batches of writes. */
  readonly batches: number;
  /** Commits, of all batches together. */
  readonly commits: number;
  /** Bytes of one commit. */
  readonly commitBytes: number;
  /** Bytes of all commits; one alone may have more. */
  readonly bytes: number;
}

/** A database on this machine: what is under way hides the time between calls. */
export const near: Pace = {
  reads: 25,
  gets: 32,
  batches: 2,
  commits: 4,
  commitBytes: 819200,
  bytes: Infinity,
};

/**
 * A database on another machine: what is under way hides the time that an answer
 * takes. The limits of bytes are for slow networks, where a commit must still be
 * answered within some seconds.
 */
export const far: Pace = {
  reads: 32,
  gets: 32,
  batches: 4,
  commits: 32,
  commitBytes: 131072,
  bytes: 1048576,
};
