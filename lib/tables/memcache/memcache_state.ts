import type { ByteStringsBuilder } from "../../bytes/byte_strings.ts";
import type { GetMany } from "../../memcached/get_many.ts";
import type { Cache, MemcacheParts } from "./cache.ts";
import type { KeysInUse } from "./keys_in_use.ts";
import type { WriteTurns } from "./write_turns.ts";

/** Counts where the values of lookups came from. */
export interface LookupTrace {
  /** How many values came from the backup. */
  backup: number;
}

/** The working state of a memcache table. */
export interface MemcacheState {
  /** The parts of the table. */
  readonly parts: MemcacheParts;
  /** The memcached of the table. */
  readonly cache: Cache;
  /** The keys that are being looked up or written. */
  readonly keysInUse: KeysInUse;
  /** The order of the writes. */
  readonly turns: WriteTurns;
  /** Buffers of finished lookups, to use again. */
  readonly spareBuffers: LookupBuffers[];
}

/** The buffers of a batch of lookups, which a later batch can use again. */
export interface LookupBuffers {
  /** The get commands. */
  readonly gets: GetMany;
  /** The values. */
  readonly values: ByteStringsBuilder;
}
