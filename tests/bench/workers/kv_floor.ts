// KIND PATH: bare scripts over the database of a kv: table, from start to end. `list`
// and `get` print lines, as the command line does; `load` reads nothing.
import { keys, values } from "../data.mjs";

const [kind, path] = Deno.args;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const database = await Deno.openKv(path);
const prefix = await prefixOf(database);
const encoded = keys.map((key) => [...prefix, encoder.encode(key)]);

/** What stands before the keys of a table; empty in a new database. */
async function prefixOf(database: Deno.Kv): Promise<Deno.KvKey> {
  for await (const { key } of database.list({ prefix: [] }, { limit: 1 })) {
    return key.slice(0, -1);
  }
  return ["memcache-table"];
}

/** Processes pieces, `atOnce` of them at a time. */
async function inPieces(
  size: number,
  atOnce: number,
  work: (start: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < keys.length) {
      const start = next;
      next += size;
      await work(start);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function print(lines: string[]): Promise<void> {
  const bytes = encoder.encode(lines.join(""));
  for (let sent = 0; sent < bytes.length;) {
    sent += await Deno.stdout.write(bytes.subarray(sent));
  }
}

const kinds: Record<string, () => Promise<void>> = {
  async load() {
    await inPieces(500, 2, async (start) => {
      const commit = database.atomic();
      for (let at = start; at < start + 500; at++) {
        commit.set(encoded[at], encoder.encode(values[at]));
      }
      await commit.commit();
    });
  },
  async list() {
    let lines: string[] = [];
    const all = database.list<Uint8Array>({ prefix }, { batchSize: 500 });
    for await (const { key, value } of all) {
      const name = key[key.length - 1] as Uint8Array;
      lines.push(`${decoder.decode(name)}\t${decoder.decode(value)}\n`);
      if (lines.length < 1000) continue;
      await print(lines);
      lines = [];
    }
    await print(lines);
  },
  async get() {
    const lines: string[] = [];
    await inPieces(10, 100, async (start) => {
      const wanted = encoded.slice(start, start + 10);
      const found = await database.getMany<Uint8Array[]>(wanted);
      for (const [at, { value }] of found.entries()) {
        lines[start + at] = `${keys[start + at]}\t${decoder.decode(value!)}\n`;
      }
    });
    await print(lines);
  },
};
await kinds[kind]();
database.close();
