// What every runtime must do, run in each of them: so this has no test runner,
// no `Deno`, and nothing of Node.
import {
  ConfigError,
  type Connect,
  MemcacheTable,
  openTable,
  type TableOptions,
  TemporaryError,
} from "@postmaps/memcache-table";
import { connectCloudflare } from "@postmaps/memcache-table/cloudflare";
import { connectDeno } from "@postmaps/memcache-table/deno";
import { MemcacheLookup } from "@postmaps/memcache-table/lookup";
import { connectNode } from "@postmaps/memcache-table/node";

/** Names of the runtimes. */
export type Runtime = "deno" | "node" | "bun" | "workerd";

/** What a runtime is given to work with. */
export interface World {
  runtime: Runtime;
  /** Memcached servers, as in a configuration. */
  tcp: string;
  ipv6: string;
  unix: string;
  /** Nobody listens there. */
  nobody: string;
  /** Where the TCP server is stopped, started and so on. */
  control: string;
  /** A configuration file for the TCP server. */
  configuration: string;
  /** A table of Postfix that only its own programs can read. */
  installed: string;
}

/** What became of a requirement; no error when it holds. */
export interface Outcome {
  name: string;
  error?: string;
}

const adapters: Record<Runtime, Connect> = {
  deno: connectDeno,
  node: connectNode,
  bun: connectNode,
  workerd: connectCloudflare,
};

const notThere: Record<Runtime, [Connect, string][]> = {
  deno: [[connectCloudflare, "for Cloudflare's Workers"]],
  node: [
    [connectCloudflare, "for Cloudflare's Workers"],
    [connectDeno, "for Deno"],
  ],
  bun: [
    [connectCloudflare, "for Cloudflare's Workers"],
    [connectDeno, "for Deno"],
  ],
  workerd: [
    [connectNode, "for Node and Bun"],
    [connectDeno, "for Deno"],
  ],
};

function equal(actual: unknown, expected: unknown): void {
  const [one, other] = [actual, expected].map((value) =>
    value === undefined ? "undefined" : JSON.stringify(value)
  );
  if (one !== other) throw new Error(`${one} instead of ${other}`);
}

async function rejects(
  work: () => Promise<unknown>,
  kind: new (message: string) => Error,
  ...texts: string[]
): Promise<void> {
  let result: unknown;
  try {
    result = await work();
  } catch (error) {
    const { message } = error as Error;
    if (
      error instanceof kind && texts.every((text) => message.includes(text))
    ) {
      return;
    }
    throw new Error(`rejects with ${error} instead of ${kind.name} ${texts}`);
  }
  throw new Error(`gives ${JSON.stringify(result)} instead of ${kind.name}`);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Has something done to the TCP server. */
async function control({ control }: World, what: string): Promise<void> {
  const response = await fetch(`${control}/${what}`, { method: "POST" });
  equal([what, await response.text()], [what, "done"]);
}

type Parameters = ConstructorParameters<typeof MemcacheTable>[0];

function tableOf(
  world: World,
  parameters: Parameters,
  options: TableOptions = {},
): MemcacheTable {
  // Where there is an adapter of its own, it is found.
  const connect = world.runtime === "workerd" ? connectCloudflare : undefined;
  return new MemcacheTable({ memcache: world.tcp, ...parameters }, {
    connect,
    write: true,
    onWarning: () => {},
    openTable,
    ...options,
  });
}

/** Looks up, updates and deletes. */
async function useTable(world: World, memcache: string): Promise<void> {
  await using table = tableOf(world, {
    memcache,
    key_format: `${memcache}:%s`,
  });
  equal(await table.lookup("alice"), undefined);
  equal(await table.update("Alice", "alice@mx.example.net"), true);
  equal(await table.lookup("aLICE"), "alice@mx.example.net");
  equal(await table.update("käse", "Größe 🧀"), true);
  equal(await table.lookup("KÄSE"), "Größe 🧀");
  equal(await table.delete("alice"), true);
  equal(await table.delete("alice"), false);
  equal(await table.lookup("alice"), undefined);
}

type Requirement = [string, (world: World) => Promise<void>];

const requirements: Requirement[] = [
  [
    "looks up, updates and deletes over TCP",
    (world) => useTable(world, world.tcp),
  ],
  ["does so over IPv6", (world) => useTable(world, world.ipv6)],
  [
    "does so over a UNIX-domain socket, or says that there are none",
    async (world) => {
      if (world.runtime !== "workerd") return await useTable(world, world.unix);
      await rejects(
        () => useTable(world, world.unix),
        ConfigError,
        world.unix,
        "no UNIX-domain sockets",
        "inet:HOST:PORT",
      );
    },
  ],
  [
    "takes many requests at once, and many keys",
    async (world) => {
      let connections = 0;
      // With long memcache keys there is enough to do for several connections.
      await using table = tableOf(world, {
        key_format: `${"many".repeat(20)}:%s`,
        connections: 4,
      }, {
        onEvent: ({ kind }) => {
          if (kind === "connect") connections++;
        },
      });
      const entries = Array.from({ length: 3000 }, (_, number) => ({
        key: `k${number}`,
        value: `value ${number}`,
      }));
      const stored = await all(table.updateMany(entries));
      equal(stored.filter(({ stored }) => stored).length, 3000);
      const keys = entries.flatMap(({ key }) => [key, `no${key}`]);
      let found = await all(table.lookupMany(keys));
      // Another connection may be of use only for the next ones.
      for (let more = 20; more > 0 && connections < 2; more--) {
        found = await all(table.lookupMany(keys));
      }
      equal(connections > 1, true);
      equal(
        found.map(({ value }) => value),
        entries.flatMap(({ value }) => [value, undefined]),
      );
      const some = keys.slice(0, 200);
      const values = await Promise.all(some.map((key) => table.lookup(key)));
      equal(values, found.slice(0, 200).map(({ value }) => value));
      const deleted = await all(table.deleteMany(keys));
      equal(deleted.filter(({ deleted }) => deleted).length, 3000);
    },
  ],
  [
    "reads a value that comes in many pieces",
    async (world) => {
      await using table = tableOf(world, { data_size_limit: 1000000 });
      const value = "0123456789".repeat(90000);
      equal(await table.update("long", value), true);
      for (let round = 0; round < 5; round++) {
        equal(await table.lookup("long") === value, true);
      }
    },
  ],
  [
    "makes digests of keys",
    async (world) => {
      const key = "k".repeat(300);
      await using plain = tableOf(world, {});
      await rejects(() => plain.lookup(key), TemporaryError, "key_digest");
      for (
        const [key_digest, name] of [["sha256", "SHA-256"], ["sha1", "SHA-1"]]
      ) {
        await using table = tableOf(world, { key_digest });
        equal(await table.update(key, name), true);
        equal(await table.lookup(key), name);
        const bytes = new TextEncoder().encode(key);
        const digest = new Uint8Array(await crypto.subtle.digest(name, bytes));
        const hex = [...digest].map((byte) =>
          byte.toString(16).padStart(2, "0")
        );
        equal(await plain.lookup(hex.join("")), name);
      }
    },
  ],
  [
    "gives a hanging server its tries and the pause between them, no more",
    async (world) => {
      await using table = tableOf(world, { timeout: 1, retry_pause: 1 });
      equal(await table.update("k", "v"), true);
      equal(await table.update("other", "w"), true);
      await control(world, "pause");
      const start = Date.now();
      await rejects(
        () => table.lookup("k"),
        TemporaryError,
        "no answer within 1 s",
      );
      const seconds = Math.round((Date.now() - start) / 1000);
      equal(seconds >= 3, true);
      const reason = new Error("enough");
      const controller = new AbortController();
      const lookup = table.lookup("k", { signal: controller.signal });
      controller.abort(reason);
      await rejects(() => lookup, Error, "enough");
      await control(world, "resume");
      // What came too late answers nobody.
      equal(await table.lookup("other"), "w");
      equal(await table.lookup("k"), "v");
    },
  ],
  [
    "connects again when the server was restarted",
    async (world) => {
      await using table = tableOf(world, { max_try: 2 });
      equal(await table.update("k", "v"), true);
      await control(world, "restart");
      equal(await table.lookup("k"), undefined);
      equal(await table.update("k", "again"), true);
      equal(await table.lookup("k"), "again");
    },
  ],
  [
    "says when nobody listens, and goes on with the backup",
    async (world) => {
      const memcache = world.nobody;
      await using table = tableOf(world, { memcache });
      await rejects(
        () => table.lookup("k"),
        TemporaryError,
        `cannot connect to memcached at ${memcache}`,
      );
      const backup = "inline:{k=from-the-backup}";
      await using backed = tableOf(world, { memcache, backup }, {
        write: false,
      });
      equal(await backed.lookup("k"), "from-the-backup");
      equal(await all(backed), [{ key: "k", value: "from-the-backup" }]);
    },
  ],
  [
    "says when an adapter is another runtime's",
    async (world) => {
      for (const [connect, text] of notThere[world.runtime]) {
        await using table = tableOf(world, {}, { connect });
        await rejects(() => table.lookup("k"), ConfigError, text);
      }
      // And its own one may be handed in.
      const connect = adapters[world.runtime];
      await using table = tableOf(world, {}, { connect });
      equal(await table.lookup("nobody"), undefined);
      if (world.runtime !== "workerd") return;
      await using lost = tableOf(world, {}, { connect: undefined });
      await rejects(
        () => lost.lookup("k"),
        ConfigError,
        "hand in the connect option",
        "connectCloudflare",
      );
    },
  ],
  [
    "reads configuration files, or says what to hand in",
    async (world) => {
      const name = `memcache:${world.configuration}`;
      if (world.runtime === "workerd") {
        await rejects(() => openTable(name), ConfigError, "readFile option");
        return;
      }
      await using table = await openTable(name, { write: true, utf8: true });
      equal(await table.update("alice", "v"), true);
      equal(await table.lookup("alice"), "v");
      await rejects(
        () => openTable("memcache:/nonexistent.cf"),
        ConfigError,
        "/nonexistent.cf: there is no such file",
      );
      await rejects(
        () => openTable("memcache:/tmp"),
        ConfigError,
        "/tmp: this is a directory",
      );
    },
  ],
  [
    "asks the installed Postfix, or says that it cannot",
    async (world) => {
      const options = { utf8: true };
      if (world.runtime === "workerd") {
        await rejects(
          async () => await (await openTable(world.installed)).lookup("k"),
          ConfigError,
          "cannot run postmap",
        );
        return;
      }
      await using table = await openTable(world.installed, options);
      equal(await table.lookup("alice"), "found");
      equal(await table.lookup("bob"), undefined);
    },
  ],
  [
    "says that there is no KV here",
    async (world) => {
      // Deno has one.
      if (world.runtime === "deno") return;
      await using table = await openTable("kv:/nonexistent/t.kv", {
        utf8: true,
        write: true,
      });
      await rejects(
        () => table.update("k", "v"),
        ConfigError,
        "no KV of its own",
        "openKv option",
      );
    },
  ],
  [
    "looks up with lookups alone",
    async (world) => {
      await using table = tableOf(world, { key_format: "l:%s" });
      await table.update("alice", "v");
      const connect = adapters[world.runtime];
      const parameters = { memcache: world.tcp, key_format: "l:%s" };
      await using lookup = new MemcacheLookup(parameters, { connect });
      equal(await lookup.lookup("ALICE"), "v");
      equal(await lookup.lookup("bob"), undefined);
      equal(await lookup.lookup("two words"), undefined);
      await rejects(() => lookup.lookup("k".repeat(251)), TemporaryError);
      const backup = { ...parameters, backup: "static:b" };
      await rejects(
        // deno-lint-ignore require-await -- the constructor throws
        async () => new MemcacheLookup(backup, { connect }),
        ConfigError,
        "MemcacheTable",
      );
    },
  ],
];

/** Holds a runtime to all of them, one after the other. */
export async function holdTo(world: World): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [name, holds] of requirements) {
    try {
      await holds(world);
      outcomes.push({ name });
    } catch (error) {
      outcomes.push({ name, error: (error as Error).message });
    }
  }
  return outcomes;
}
