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
import { bytesOfName, comesBefore, orderedName } from "./ordered_name.ts";
import { utf8Text } from "../../bytes/text.ts";
import type {
  KvAtomic,
  KvDatabase,
  KvEntry,
  KvKey,
} from "../../kv_database.ts";

export type { KvAtomic, KvDatabase, KvEntry, KvKey };

/** The methods of a Workers KV namespace that are used. */
export interface WorkersKvNamespace {
  /** Reads a value. */
  get(key: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  /** Writes a value. */
  put(key: string, value: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Removes a value. */
  delete(key: string): Promise<void>;
  /** Names keys in the order of their UTF-8 bytes, a page at a time. */
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

// Requests at once: the runtime lets so few connections of a Worker wait.
const atOnce = 6;

// Listings that are in the middle, of which the place is remembered.
const mostPlaces = 100;

/**
 * Adapts a Workers KV namespace to a `kv:` table, for the `openKv` option.
 *
 * The entry of the key `alice` is named `table//alice`, or
 * `table/aliases/alice` where the table is `kv:#aliases`; `/` and `%` are
 * written `%2F` and `%25` in the table's name. Keys that are UTF-8 stand for
 * themselves, others are written so that all are in byte order.
 *
 * A name has up to 512 bytes: a key up to 505, less those of the table's name.
 * A value has up to 65536 bytes, though Workers KV takes 25 MiB. Workers KV
 * takes one write a second of one key, and refuses more, a `TemporaryError`.
 *
 * Nothing is atomic there. Where the `duplicates` option keeps what exists, it
 * is looked for first, then written: of two writers at once both may find
 * nothing, and the later one has it. What is written is seen elsewhere only
 * after a minute or more; so is a key that is not there and was asked for.
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
  return new WorkersKv(namespace);
}

class WorkersKv implements KvDatabase {
  #namespace: WorkersKvNamespace;
  /** Where a listing goes on, by the name that it would start with. */
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
    // Names before the start come only where its place is not known.
    const skipBefore = cursor === undefined && start !== ""
      ? utf8Text.encode(start)
      : undefined;
    for (let left = limit; left > 0;) {
      const page = await this.#namespace.list({
        prefix,
        cursor,
        limit: Math.min(left, longestPage),
      });
      let last: string | undefined;
      for (let at = 0; at < page.keys.length; at += atOnce) {
        const names = page.keys.slice(at, at + atOnce).map(({ name }) => name);
        const found = await Promise.all(
          names.map((name) => this.#entryOf(key, prefix, name, skipBefore)),
        );
        last = names.at(-1);
        for (const entry of found) {
          if (entry === undefined) continue;
          left--;
          yield entry;
        }
      }
      cursor = page.cursor;
      if (page.list_complete || cursor === undefined) return;
      // What would come next starts with the name that follows the last one.
      if (left <= 0 && last !== undefined) this.#remember(`${last}\0`, cursor);
    }
  }

  /** An entry of a listing; `undefined` for what is not of the table, or gone. */
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
    if (this.#places.size <= mostPlaces) return;
    this.#places.delete(this.#places.keys().next().value!);
  }

  atomic(): KvAtomic {
    const checks: { key: KvKey; versionstamp: string | null }[] = [];
    // Of several values of one key only the last is written: a second write
    // within a second would be refused.
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

// There are no versions: it says only that there is an entry.
const there = "there";

function entry(key: KvKey, value: ArrayBuffer | null): KvEntry {
  return value === null
    ? { key, value: null, versionstamp: null }
    : { key, value: new Uint8Array(value), versionstamp: there };
}

/** What the names of all keys that start with these parts start with. */
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

/** Does something for every item, few at once; throws when all have ended. */
async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  const ended = await Promise.allSettled(
    Array.from({ length: atOnce }, worker),
  );
  for (const end of ended) if (end.status === "rejected") throw end.reason;
}
