import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import {
  type KvEntry,
  type KvKey,
  MemcacheTable,
  openTable,
  TemporaryError,
} from "../../../mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { MemoryKv } from "../../support/memory_kv.ts";
import { MemoryServer } from "../../support/memory_server.ts";

// "domain = hash:/etc/postfix/searchdomains" is an example of the manual. To look
// something up there takes a run of postmap: a batch of keys must not take one for
// each of them.

/** A KV database of domains that counts its calls. */
class DomainKv extends MemoryKv {
  calls = 0;
  failing: string | undefined;

  constructor(domains: string[]) {
    super();
    for (const domain of domains) {
      const name = byteText.decode(utf8Text.encode(domain))!;
      this.values.set(name, utf8Text.encode("yes"));
    }
  }

  override async get(key: KvKey): Promise<KvEntry> {
    this.calls++;
    this.#fail([key]);
    return await super.get(key);
  }

  override async getMany(keys: KvKey[]): Promise<KvEntry[]> {
    this.calls++;
    this.#fail(keys);
    return await super.getMany(keys);
  }

  #fail(keys: KvKey[]): void {
    const decoder = new TextDecoder();
    if (
      keys.some((key) =>
        decoder.decode(key.at(-1) as Uint8Array) === this.failing
      )
    ) throw new TemporaryError("no database");
  }
}

interface Scene {
  kv: DomainKv;
  server: MemoryServer;
  table: MemcacheTable;
}

function scene(domain: string): Scene {
  const kv = new DomainKv(["a.com", "b.com", "bücher.com"]);
  const server = new MemoryServer("none");
  const table = new MemcacheTable({ domain, max_try: 1 }, {
    write: true,
    connect: server.connect,
    openKv: () => Promise.resolve(kv),
    openTable,
    onWarning: () => {},
  });
  return { kv, server, table };
}

const users = Array.from({ length: 200 }, (_, at) => `u${at}`);

Deno.test("a table of a domain list is asked for all domains of a batch at once", async () => {
  const { kv, server, table } = scene("!x.com kv: d.com");
  await using _ = table;
  const domains = ["a.com", "A.com", "x.com", "d.com", "e.com", "BÜCHER.com"];
  const keys = users.flatMap((user) =>
    domains.map((domain) => `${user}@${domain}`)
  );
  const isListed = (key: string) => !/@[xe]\./.test(key);
  const entries = keys.map((key) => ({ key, value: "v" }));
  const updates = await Array.fromAsync(table.updateMany(entries));
  assertEquals(updates.map(({ stored }) => stored), keys.map(isListed));
  const found = await Array.fromAsync(table.lookupMany([...keys, "u", "u@"]));
  assertEquals(
    found.map(({ value }) => value),
    [...keys.map((key) => isListed(key) ? "v" : undefined), ...[, ,]],
  );
  const deletes = await Array.fromAsync(table.deleteMany(keys));
  // What is deleted in one case is gone in the other.
  assertEquals(deletes.filter(({ deleted }) => deleted).length, 600);
  assertEquals(server.entries.size, 0);
  assert(kv.calls < 20, `${kv.calls} calls`);
});

Deno.test("a table of a domain list that fails for one domain costs no key before that its value", async () => {
  const { kv, table } = scene("kv:");
  await using _ = table;
  const keys = users.map((user) => `${user}@a.com`);
  await Array.fromAsync(
    table.updateMany(keys.map((key) => ({ key, value: "v" }))),
  );
  kv.failing = "bad.com";
  const values: (string | undefined)[] = [];
  await assertRejects(
    async () => {
      const some = [...keys, "u@bad.com", "u@a.com"];
      for await (const { value } of table.lookupMany(some)) values.push(value);
    },
    TemporaryError,
    "no database",
  );
  assertEquals(values, keys.map(() => "v"));
});
