import type { Entry, KvDatabase, OpenOptions } from "../../mod.ts";
import { type Text, utf8Text } from "../../lib/bytes/text.ts";
import { makeLimitedV8Serializer, openKv } from "npm:@deno/kv@0.14.0";
import { type Kind, type Maker, opener } from "./conformance/kind.ts";
import { Folder } from "./folder.ts";
import { accessToken, KvServer, useAccessToken } from "./kv_connect/server.ts";
import { Memcached } from "./memcached.ts";
import { Postfix } from "./postfix.ts";
import { runPostmap } from "./processes.ts";

/** Decodes an entry as UTF-8, for a file or a table name. */
function inText({ key, value }: Entry, text: Text): Entry {
  const decoded = (bytes: string) => utf8Text.decode(text.encode(bytes))!;
  return { key: decoded(key), value: decoded(value) };
}

/** Formats a source file of postmap. */
function source(entries: readonly Entry[], text: Text): string {
  return entries.map((entry) => {
    const { key, value } = inText(entry, text);
    return `${key} ${value}\n`;
  }).join("");
}

/** Calls `make` with a new number each time. Disposes of `stack` at the end. */
function maker(
  stack: AsyncDisposableStack,
  make: (
    entries: readonly Entry[],
    text: Text,
    number: number,
  ) => ReturnType<Maker["make"]>,
): Maker {
  let number = 0;
  return {
    make: (entries, text) => make(entries, text, number++),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const memcacheNeverKeeps = [
  "empty",
  "with a space",
  "with a space before",
  "with a space behind",
  "with a tab",
  "quoted",
  "a tab in quotes",
  "with a newline",
  "with a carriage return",
  "with a null byte",
  "with an escape",
] as const;

function memcacheKind(
  name: string,
  start: (folder: string) => Promise<Memcached>,
): Kind {
  return {
    name,
    finds: "its entries",
    writes: "yes",
    lists: "with a warning",
    noKeys: memcacheNeverKeeps,
    failingKeys: ["300 bytes", "300 bytes of UTF-8"],
    alwaysReplaces: true,
    async start() {
      const stack = new AsyncDisposableStack();
      const folder = stack.use(await Folder.make());
      await Deno.chmod(folder.path, 0o777);
      const memcached = stack.use(await start(folder.path));
      return maker(stack, async (entries, text, number) => {
        for (const entry of entries) {
          const { key, value } = inText(entry, text);
          await memcached.set(`${number}:${key}`, value);
        }
        return opener(
          `memcache:{memcache=${memcached.server} key_format=${number}:%s}`,
        );
      });
    },
  };
}

const memcacheWithBackup: Kind = {
  name: "memcache: with a kv: backup",
  finds: "its entries",
  writes: "yes",
  lists: "bytes",
  noKeys: memcacheNeverKeeps,
  async start() {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await Folder.make());
    const memcached = stack.use(await Memcached.tcp());
    return maker(stack, async (entries, text, number) => {
      const file = `${folder.path}/${number}.kv`;
      await fillKv(file, entries, text);
      return opener(
        `memcache:{memcache=${memcached.server} key_format=${number}:%s backup=kv:${file}}`,
      );
    });
  },
};

/** Writes the entries of a KV table without the code under test. */
async function fill(
  kv: KvDatabase,
  entries: readonly Entry[],
  text: Text,
): Promise<void> {
  for (const { key, value } of entries) {
    await kv.set(["table", "", text.encode(key)], text.encode(value));
  }
}

async function fillKv(
  file: string,
  entries: readonly Entry[],
  text: Text,
): Promise<void> {
  if (entries.length === 0) return;
  using kv = await Deno.openKv(file);
  await fill(kv, entries, text);
}

const kvFile: Kind = {
  name: "kv: in a file",
  finds: "its entries",
  writes: "yes",
  lists: "bytes",
  noKeys: ["empty"],
  async start() {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await Folder.make());
    return maker(stack, async (entries, text, number) => {
      const file = `${folder.path}/${number}.kv`;
      await fillKv(file, entries, text);
      return opener(`kv:${file}`);
    });
  },
};

/** kv: tables in databases that `openKv` makes, one for each test. */
export function kvHandedIn(
  name: string,
  openKv: (number: number) => Promise<KvDatabase>,
  limits: Partial<Kind> = {},
): Kind {
  return {
    name,
    finds: "its entries",
    writes: "yes",
    lists: "bytes",
    noKeys: ["empty"],
    ...limits,
    start() {
      const stack = new AsyncDisposableStack();
      return Promise.resolve(
        maker(stack, async (entries, text, number) => {
          const kv = await openKv(number);
          stack.defer(() => kv.close());
          await fill(kv, entries, text);
          // A table closes its database, but the next table needs the same data.
          const shared = new Proxy(kv, {
            get: (target, property: keyof KvDatabase) => {
              if (property === "close") return () => {};
              const found = target[property];
              return typeof found === "function" ? found.bind(target) : found;
            },
          });
          return opener("kv:", { openKv: () => Promise.resolve(shared) });
        }),
      );
    },
  };
}

/** kv: tables in databases of a server, each in one of its own. */
function kvOverNetwork(
  name: string,
  versions: readonly (1 | 2 | 3)[],
  more: OpenOptions = {},
): Kind {
  return {
    name,
    finds: "its entries",
    writes: "yes",
    lists: "bytes",
    noKeys: ["empty"],
    start() {
      const stack = new AsyncDisposableStack();
      const server = stack.use(new KvServer({ versions }));
      useAccessToken();
      return Promise.resolve(
        maker(stack, async (entries, text, number) => {
          const { url } = server.database(`${number}`);
          using kv = await Deno.openKv(url);
          await fill(kv, entries, text);
          return opener(`kv:${url}`, more);
        }),
      );
    },
  };
}

/** The client of npm, which Deno could use too. */
const byDenoKv: OpenOptions = {
  openKv: (path) =>
    openKv(path, {
      ...makeLimitedV8Serializer(),
      implementation: "remote",
      accessToken,
    }) as Promise<KvDatabase>,
};

const postmapNeverKeeps = [
  "empty",
  "with a space",
  "with a space before",
  "with a space behind",
  "with a tab",
  "one quote",
  "with a newline",
  "with a carriage return",
  "with a null byte",
  "a comment",
] as const;

/** A type of the installed Postfix. */
function installed(type: string, limits: Partial<Kind> = {}): Kind {
  return {
    name: `${type}:`,
    finds: "its entries",
    writes: "yes",
    lists: "bytes",
    noKeys: postmapNeverKeeps,
    noValues: [
      "empty",
      "with a space before",
      "with a space behind",
      "with a newline",
      "with a carriage return",
      "a reply",
    ],
    ...limits,
    async start() {
      const stack = new AsyncDisposableStack();
      const folder = stack.use(await Folder.make());
      const configDirectory = await folder.mailConfiguration();
      return maker(stack, async (entries, text, number) => {
        const file = await folder.write(`${number}`, source(entries, text));
        const name = `${type}:${file}`;
        const { code, stderr } = await runPostmap([
          "-c",
          configDirectory,
          name,
        ]);
        if (code !== 0) throw new Error(stderr);
        return opener(name, { configDirectory });
      });
    },
  };
}

const proxied: Kind = {
  name: "proxy:btree:",
  finds: "its entries",
  writes: "yes",
  lists: "bytes",
  noKeys: ["with a null byte"],
  oneListing: true,
  async start() {
    const stack = new AsyncDisposableStack();
    const postfix = stack.use(
      await Postfix.start((data) =>
        Array.from(
          { length: 60 },
          (_, number) => `proxy:btree:${data}/${number}`,
        )
      ),
    );
    const { configDirectory, dataDirectory } = postfix;
    return maker(stack, async (entries, text, number) => {
      const name = `btree:${dataDirectory}/${number}`;
      await postfix.make(name, source(entries, text));
      return opener(`proxy:${name}`, { configDirectory });
    });
  },
};

const inline: Kind = {
  name: "inline:",
  finds: "its entries",
  writes: "never",
  lists: "as given",
  start() {
    return Promise.resolve(
      maker(new AsyncDisposableStack(), (entries, text) => {
        const items = entries.map((entry) => {
          const { key, value } = inText(entry, text);
          return `{ ${key} = ${value} }`;
        });
        return Promise.resolve(opener(`inline:{ ${items.join(", ")} }`));
      }),
    );
  },
};

const texthash: Kind = {
  name: "texthash:",
  finds: "its entries",
  writes: "never",
  lists: "as given",
  async start() {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await Folder.make());
    return maker(stack, async (entries, text, number) =>
      opener(
        `texthash:${await folder.write(`${number}`, source(entries, text))}`,
      ));
  },
};

function named(name: string, parts: Omit<Kind, "name" | "start">): Kind {
  const start = () =>
    Promise.resolve(
      maker(
        new AsyncDisposableStack(),
        () => Promise.resolve(opener(name)),
      ),
    );
  return { name, ...parts, start };
}

/** All table types. */
export const kinds: Kind[] = [
  memcacheKind("memcache: over TCP", () => Memcached.tcp()),
  memcacheKind(
    "memcache: over a UNIX-domain socket",
    (folder) => Memcached.unix(`${folder}/mc.sock`),
  ),
  memcacheWithBackup,
  kvFile,
  kvHandedIn("kv: handed in", () => Deno.openKv(":memory:")),
  kvOverNetwork("kv: over the network", [1, 2, 3]),
  kvOverNetwork("kv: over the network, version 1", [1]),
  kvOverNetwork("kv: over the network, version 2", [2]),
  kvOverNetwork("kv: over the network, by @deno/kv", [1, 2, 3], byDenoKv),
  installed("btree"),
  installed("hash", { lists: "any order" }),
  installed("lmdb"),
  proxied,
  inline,
  texthash,
  named("static:v", {
    finds: "v for every key",
    writes: "refuses",
    lists: "never",
  }),
  named("fail:reason", {
    finds: "failures",
    writes: "refuses",
    lists: "never",
  }),
];
