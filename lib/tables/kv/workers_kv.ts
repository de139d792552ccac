/**
 * Cloudflare Workers KV as the database of a `kv:` table.
 *
 * @example A table of aliases in a Worker
 * ```ts ignore
 * import { openTable } from "@postmaps/memcache-table";
 * import { workersKv, type WorkersKvNamespace } from "@postmaps/memcache-table/workers-kv";
 *
 * export default {
 *   async fetch(request: Request, env: { ALIASES: WorkersKvNamespace }) {
 *     await using table = await openTable("kv:", {
 *       utf8: true,
 *       openKv: () => Promise.resolve(workersKv(env.ALIASES)),
 *     });
 *     const key = new URL(request.url).searchParams.get("key") ?? "";
 *     const value = await table.lookup(key);
 *     return new Response(value ?? "not found", { status: value === undefined ? 404 : 200 });
 *   },
 * };
 * ```
 *
 * @module
 */
import { requireMethod } from "../../arguments.ts";
import { bytesOfName, comesBefore, orderedName } from "./ordered_name.ts";
import { utf8Text } from "../../bytes/text.ts";
import type {
  KvAtomic,
  KvCommit,
  KvDatabase,
  KvEntry,
  KvKey,
} from "../../kv_database.ts";

export type { KvAtomic, KvCommit, KvDatabase, KvEntry, KvKey };

/** The used methods of a Workers KV namespace. */
export interface WorkersKvNamespace {
  /** Reads a value. */
  get(key: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  /** Writes a value. */
  put(key: string, value: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Removes a value. */
  delete(key: string): Promise<void>;
  /** Lists keys in the order of their UTF-8 bytes, page by page. */
  list(
    options: { prefix?: string; cursor?: string; limit?: number },
  ): Promise<
    {
      keys: readonly { readonly name: string }[];
      list_complete: boolean;
      cursor?: string;
    }
  >;
}

// Limits of Workers KV.
const longestName = 512;
const longestPage = 1000;

// The runtime allows a Worker so many open connections.
const concurrency = 6;

// The number of unfinished listings whose cursor is remembered.
const maxPlaces = 100;

/**
 * Adapts a Workers KV namespace to a `kv:` table, for the `openKv` option.
 *
 * The entry of the key `alice` is named `table//alice`, or
 * `table/aliases/alice` where the table is `kv:#aliases`; `/` and `%` are
 * written `%2F` and `%25` in the table's name. A key in UTF-8 is part of the name
 * as it is; other keys are encoded so that listings are in byte order.
 *
 * A name has up to 512 bytes: a key up to 505, less those of the table's name.
 * A value has up to 65536 bytes, though Workers KV allows 25 MiB. Workers KV
 * allows one write a second to one key. A second write within that time is a
 * `TemporaryError`.
 *
 * Workers KV has no transactions. Where the `duplicates` option keeps existing
 * entries, a lookup comes before the write. So two concurrent writers may both
 * find nothing, and the later write wins. Other places see a write only after a
 * minute or more. They also remember for that time that a key does not exist.
 *
 * @example
 * ```ts
 * import { openTable } from "@postmaps/memcache-table";
 * import { workersKv, type WorkersKvNamespace } from "@postmaps/memcache-table/workers-kv";
 *
 * async function load(namespace: WorkersKvNamespace): Promise<void> {
 *   await using table = await openTable("kv:#aliases", {
 *     utf8: true,
 *     write: true,
 *     openKv: () => Promise.resolve(workersKv(namespace)),
 *   });
 *   await table.update("alice", "alice@mx.example.net");
 * }
 * ```
 */
export function workersKv(namespace: WorkersKvNamespace): KvDatabase {
  requireMethod("workersKv: namespace", namespace, "get");
  return new WorkersKv(namespace);
}

class WorkersKv implements KvDatabase {
  #namespace: WorkersKvNamespace;
  /** The cursors of unfinished listings, by the name with which they continue. */
  #places = new Map<string, string>();

  constructor(namespace: WorkersKvNamespace) {
    this.#namespace = namespace;
  }

  async get(key: KvKey): Promise<KvEntry> {
    return entry(key, await this.#namespace.get(nameOf(key), "arrayBuffer"));
  }

  set(key: KvKey, value: unknown): Promise<void> {
    return this.#namespace.put(nameOf(key), bytesOf(value));
  }

  delete(key: KvKey): Promise<void> {
    return this.#namespace.delete(nameOf(key));
  }

  async *list(
    selector: { prefix: KvKey } | { prefix: KvKey; start: KvKey },
    { limit = Infinity }: { limit?: number; batchSize?: number } = {},
  ): AsyncGenerator<KvEntry> {
    const { prefix: key } = selector;
    const prefix = prefixOf(key);
    const start = "start" in selector ? nameOf(selector.start) : "";
    let cursor = this.#places.get(start);
    // Without a remembered cursor, the listing begins before `start`.
    const skipBefore = cursor === undefined && start !== ""
      ? utf8Text.encode(start)
      : undefined;
    for (let remaining = limit; remaining > 0;) {
      const page = await this.#namespace.list({
        prefix,
        cursor,
        limit: Math.min(remaining, longestPage),
      });
      let last: string | undefined;
      for (let at = 0; at < page.keys.length; at += concurrency) {
        const names = page.keys.slice(at, at + concurrency).map(({ name }) =>
          name
        );
        const found = await Promise.all(
          names.map((name) => this.#entryOf(key, prefix, name, skipBefore)),
        );
        last = names.at(-1);
        for (const entry of found) {
          if (entry === undefined) continue;
          remaining--;
          yield entry;
        }
      }
      cursor = page.cursor;
      if (page.list_complete || cursor === undefined) return;
      // The next part of the listing starts after the last name.
      if (remaining <= 0 && last !== undefined) {
        this.#remember(`${last}\0`, cursor);
      }
    }
  }

  /** An entry of a listing; `undefined` if it is not of this table, or removed. */
  async #entryOf(
    key: KvKey,
    prefix: string,
    name: string,
    skipBefore: Uint8Array | undefined,
  ): Promise<KvEntry | undefined> {
    const bytes = bytesOfName(name.slice(prefix.length));
    if (bytes === undefined) return undefined;
    if (
      skipBefore !== undefined && comesBefore(utf8Text.encode(name), skipBefore)
    ) {
      return undefined;
    }
    const value = await this.#namespace.get(name, "arrayBuffer");
    return value === null ? undefined : entry([...key, bytes], value);
  }

  #remember(start: string, cursor: string): void {
    this.#places.delete(start);
    this.#places.set(start, cursor);
    if (this.#places.size <= maxPlaces) return;
    this.#places.delete(this.#places.keys().next().value!);
  }

  atomic(): KvAtomic {
    const checks: { key: KvKey; versionstamp: string | null }[] = [];
    // Write only the last value of each key: Workers KV refuses a second write of
    // the same key within a second.
    const writes = new Map<string, Uint8Array<ArrayBuffer>>();
    const atomic: KvAtomic = {
      check(...more) {
        checks.push(...more);
        return atomic;
      },
      set(key, value) {
        writes.set(nameOf(key), bytesOf(value));
        return atomic;
      },
      commit: async () => {
        let ok = true;
        await inParallel(checks, async ({ key, versionstamp }) => {
          const found = await this.get(key);
          ok &&= found.versionstamp === versionstamp;
        });
        if (!ok) return { ok };
        await inParallel(
          [...writes],
          ([name, value]) => this.#namespace.put(name, value),
        );
        return { ok };
      },
    };
    return atomic;
  }

  measureKey(key: KvKey): { bytes: number; longest: number } {
    const prefix = utf8Text.encode(prefixOf(key.slice(0, -1))).length;
    const whole = utf8Text.encode(nameOf(key)).length;
    return { bytes: whole - prefix, longest: longestName - prefix };
  }

  close(): void {
    this.#places.clear();
  }
}

// Workers KV has no versions: any entry has the same one.
const anyVersion = "there";

function entry(key: KvKey, value: ArrayBuffer | null): KvEntry {
  return value === null
    ? { key, value: null, versionstamp: null }
    : { key, value: new Uint8Array(value), versionstamp: anyVersion };
}

/** The common prefix of the names of all keys that begin with these parts. */
function prefixOf(parts: KvKey): string {
  return parts.map((part) => {
    if (typeof part === "string") {
      return part.replaceAll("%", "%25").replaceAll("/", "%2F") + "/";
    }
    throw new TypeError("Only the last part of a key can be bytes");
  }).join("");
}

function nameOf(key: KvKey): string {
  const last = key.at(-1);
  if (!(last instanceof Uint8Array)) {
    throw new TypeError("The last part of a key must be bytes");
  }
  return prefixOf(key.slice(0, -1)) + orderedName(last);
}

function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  if (value instanceof Uint8Array) return value as Uint8Array<ArrayBuffer>;
  throw new TypeError(`A value must be bytes: ${typeof value}`);
}

/** Runs `work` for each item, some concurrently. Waits for all before it throws. */
async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  const ended = await Promise.allSettled(
    Array.from({ length: concurrency }, worker),
  );
  for (const end of ended) if (end.status === "rejected") throw end.reason;
}
