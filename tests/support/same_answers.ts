import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import {
  MemcacheTable,
  openTable,
  type Table,
  TableError,
  type TableOptions,
} from "../../mod.ts";
import { assertEquals } from "./assert.ts";
import { AutoClock } from "./auto_clock.ts";
import { MemoryKv } from "./memory_kv.ts";
import { type Fault, MemoryServer } from "./memory_server.ts";
import type { Random } from "./random.ts";
import type { Transport } from "./transport.ts";

// The same requests one after the other, in bulk, and all at once, on random
// configurations and servers: the same answers, refusals, errors and kinds of
// warnings, and the same content of memcached and the backup afterwards.

type Way = "single" | "bulk" | "concurrent";
const ways: readonly Way[] = ["single", "bulk", "concurrent"];

type Requests =
  | { kind: "lookup"; keys: string[] }
  | { kind: "delete"; keys: string[] }
  | { kind: "update"; entries: { key: string; value: string }[] };

interface Case {
  fault: Fault;
  parameters: Record<string, string | number>;
  options: TableOptions;
  backup: "none" | "kv" | "inline" | "static" | "fail";
  duplicates: "replace" | "ignore" | "warn";
  /** What memcached and the backup have at first. */
  cached: [string, string][];
  kept: [string, string][];
  requests: Requests[];
}

const formats = [
  "%s",
  "%s",
  "a:%s",
  "a:%s:z",
  "%d",
  "%u@x",
  "%1.%2",
  "a %s",
  "a\tb%s",
  "x%%y%s",
  "%u%d",
  "%3.%1:%u",
  "\x7f%s",
];
const domains = ["", "", "example.com", "!a.org, a.org, static:all", "x.y"];
const faults: Fault[] = [
  "none",
  "none",
  "none",
  { says: "SERVER_ERROR busy" },
  { says: "CLIENT_ERROR unauthenticated" },
  { says: "ERROR" },
  { says: "NONSENSE" },
  "silent",
  "refuses",
  "closes",
  "closes after each",
  "full",
  "lies",
  "fails for some",
];

function randomKey(random: Random): string {
  const word = () =>
    random.pick(["a", "b", "Alice", "ä", "STRAßE", "x y", "k".repeat(60)]);
  const domain = () =>
    random.pick(["example.com", "a.org", "x.y", "mail.example.com", "", "com"]);
  const shape = random.number();
  if (shape < 0.45) return `${word()}@${domain()}`;
  if (shape < 0.8) return `${word()}${random.integer(0, 9)}`;
  return random.pick([
    "",
    "@",
    "@example.com",
    "a@b@example.com",
    "a\r\nset b 0 0 1\r\nx",
    "\0",
    "tab\tkey",
    "\ud800",
    "k".repeat(random.integer(245, 256)),
    "é".repeat(random.integer(122, 128)),
  ]);
}

function randomValue(random: Random): string {
  return random.pick(["", "v", "wért", "END", "x y\r\nz", "v".repeat(30)]);
}

function randomCase(random: Random): Case {
  const keys = random.list(1, 12, () => randomKey(random));
  const key = () => random.chance(0.9) ? random.pick(keys) : randomKey(random);
  const entry = (): [string, string] => [key(), randomValue(random)];
  const fault = random.pick(faults);
  // With long memcache keys, a batch is enough to do for several connections.
  const isLong = random.chance(0.25);
  const parameters: Record<string, string | number> = {
    // What a fill does that fails is not known to lookups that follow it.
    key_format: isLong
      ? `${"p".repeat(180)}:%s`
      : fault === "none"
      ? random.pick(formats)
      : "a:%s",
    // As in Postfix a connection that ends is a try, of those that have only one.
    max_try: random.integer(fault === "closes after each" ? 2 : 1, 3),
    retry_pause: random.integer(1, 3),
    timeout: random.integer(1, 3),
    flags: random.integer(0, 5),
    ttl: random.integer(0, 99),
    connections: random.integer(isLong ? 2 : 1, 8),
  };
  if (random.chance(0.3)) parameters.domain = random.pick(domains);
  if (random.chance(0.15)) parameters.key_digest = "sha256";
  if (random.chance(0.3)) parameters.data_size_limit = random.integer(1, 40);
  // A shorter one depends on whether a value is in memcached already.
  if (random.chance(0.1)) parameters.line_size_limit = random.integer(300, 400);
  return {
    fault,
    parameters,
    options: { fold: random.chance(0.8), utf8: random.chance(0.8) },
    backup: random.pick(["none", "kv", "kv", "inline", "static", "fail"]),
    duplicates: random.pick(["replace", "ignore", "warn"]),
    cached: random.list(0, 5, entry),
    kept: random.list(0, 5, entry),
    requests: random.list(1, 4, () => {
      const kind = random.pick(["lookup", "lookup", "update", "delete"]);
      return kind === "update"
        ? {
          kind,
          entries: random.list(
            1,
            15,
            () => ({ key: key(), value: randomValue(random) }),
          ),
        }
        : {
          kind: kind as "lookup" | "delete",
          keys: kind === "lookup" && isLong
            ? manyKeys(random, key)
            : random.list(1, 20, key),
        };
    }),
  };
}

/** So many that the table opens more than one connection for them. */
function manyKeys(random: Random, key: () => string): string[] {
  return Array.from(
    { length: random.integer(200, 600) },
    (_, at) => random.chance(0.1) ? key() : `a-key-of-many-${at}@example.com`,
  );
}

/** What became of requests: of each an answer, up to the first that failed. */
function answersOf(settled: PromiseSettledResult<unknown>[]): string[] {
  const answers: string[] = [];
  for (const one of settled) {
    if (one.status === "fulfilled") answers.push(`${one.value}`);
    else {
      answers.push(errorKind(one.reason));
      break;
    }
  }
  return answers;
}

function errorKind(error: unknown): string {
  return error instanceof TableError ? error.code : `${error}`;
}

/** A warning without keys and numbers, which may come once or often. */
function warningKind(warning: string): string {
  return warning.replace(/^.*?\{…\}: /, "").replace(/"[^]*"/, '"…"')
    .replace(/\d+/g, "N").replace(/ \(is it running there\?\)/, "")
    .replace(/values of N keys?/, "values of N keys");
}

async function ask(
  table: Table,
  requests: Requests,
  way: Way,
): Promise<string[]> {
  const one = (at: number): Promise<unknown> => {
    switch (requests.kind) {
      case "lookup":
        return table.lookup(requests.keys[at]);
      case "delete":
        return table.delete(requests.keys[at]);
      case "update": {
        const { key, value } = requests.entries[at];
        return table.update(key, value);
      }
    }
  };
  const items = requests.kind === "update" ? requests.entries : requests.keys;
  const numbers = items.map((_, at) => at);
  if (way === "concurrent") {
    return answersOf(await Promise.allSettled(numbers.map(one)));
  }
  if (way === "single") {
    const settled: PromiseSettledResult<unknown>[] = [];
    for (const at of numbers) {
      const [result] = await Promise.allSettled([one(at)]);
      settled.push(result);
      if (result.status === "rejected") break;
    }
    return answersOf(settled);
  }
  const answers: string[] = [];
  try {
    if (requests.kind === "lookup") {
      for await (const { value } of table.lookupMany(requests.keys)) {
        answers.push(`${value}`);
      }
    } else if (requests.kind === "delete") {
      for await (const { deleted } of table.deleteMany(requests.keys)) {
        answers.push(`${deleted}`);
      }
    } else {
      for await (const { stored } of table.updateMany(requests.entries)) {
        answers.push(`${stored}`);
      }
    }
  } catch (error) {
    answers.push(errorKind(error));
  }
  return answers;
}

interface Outcome {
  answers: string[][];
  /** Whether a request failed: then it is not sure what is stored. */
  hasFailed: boolean;
  warnings: string[];
  cached: [key: string, entry: unknown][];
  kept: unknown[];
  /** The most connections at a time. */
  connections: number;
}

async function play(
  one: Case,
  way: Way,
  transport?: Transport,
): Promise<Outcome> {
  const server = new MemoryServer(one.fault);
  const clock = new AutoClock(transport?.quietTurns);
  await using opened = await transport?.open(server.connect, clock);
  if (one.fault === "refuses") opened?.refuse();
  const kv = new MemoryKv();
  const text = one.options.utf8 ? utf8Text : byteText;
  for (const [key, value] of one.kept) {
    if (key !== "" && text.valid(key) && text.valid(value)) {
      kv.values.set(
        byteText.decode(text.encode(one.options.fold ? text.fold(key) : key))!,
        text.encode(value),
      );
    }
  }
  const warnings: string[] = [];
  const backup = {
    none: "",
    kv: "kv:",
    inline: "inline:{a1=first, b2=other, { alice@example.com = third }}",
    static: "static:always",
    fail: "fail:too",
  }[one.backup];
  const parameters = { ...one.parameters, ...opened?.parameters, backup };
  const table = new MemcacheTable(parameters, {
    ...one.options,
    write: one.backup !== "inline",
    duplicates: one.duplicates,
    clock,
    connect: opened?.connect ?? server.connect,
    openKv: () => Promise.resolve(kv),
    openTable,
    onWarning: (warning) => warnings.push(warningKind(warning)),
  });
  await table.open();
  // What is there at first comes there by the table itself, for the right keys.
  if (one.fault === "none" && one.backup === "none") {
    for (const [key, value] of one.cached) {
      await clock.during(table.update(key, value)).catch(() => false);
    }
  }
  const answers: string[][] = [];
  let hasFailed = false;
  for (const requests of one.requests) {
    if (requests.kind !== "lookup" && !table.writable) continue;
    const told = await clock.during(ask(table, requests, way));
    answers.push(told);
    const failed = /^[A-Z_]{4,}$|Error/.test(told.at(-1) ?? "");
    if (!failed || told.at(-1) === "END") continue;
    hasFailed = true;
    if (requests.kind !== "lookup") break;
  }
  await clock.during(table.close());
  return {
    answers,
    hasFailed,
    warnings: [...new Set(warnings)].filter((warning) =>
      // Whether a command is tried again depends on what failed before, and on newer
      // writes of its key.
      !/ failed: /.test(warning) || /going on/.test(warning)
    ).sort(),
    connections: server.mostOpen,
    cached: [...server.entries].sort(),
    kept: [...kv.values].map(([key, data]) => [key, byteText.decode(data)])
      .sort(),
  };
}

/**
 * What is compared of the content of memcached. A server that fails for some keys is
 * left alone for a while when there is a backup; one that lies loses its connection,
 * and what is being filled in over it. So it may lack others too; but what it has is the
 * same.
 */
function comparable(one: Case, { cached }: Outcome, other: Outcome): unknown[] {
  const losesFills = one.fault === "fails for some" || one.fault === "lies";
  if (!losesFills || one.backup === "none") return cached;
  const keys = new Set(other.cached.map(([key]) => key));
  return cached.filter(([key]) => keys.has(key));
}

/**
 * Compares the ways on so many random cases: in memory, or over a transport. Returns
 * how many of them used several connections.
 */
export async function compare(
  random: Random,
  rounds: number,
  transport?: Transport,
): Promise<number> {
  let several = 0;
  for (let round = 0; round < rounds; round++) {
    const one = randomCase(random);
    // Keys that share a memcache key get the value of whichever comes first.
    const isShared = one.backup !== "none" &&
      !/%s/i.test(`${one.parameters.key_format ?? "%s"}`);
    // Nobody waits for what is filled in, and here that takes time.
    if (isShared && transport !== undefined) continue;
    const [single, ...others] = await Promise.all(
      ways.map((way) => play(one, way, transport)),
    );
    if (others.some(({ connections }) => connections > 1)) several++;
    // What comes over it is what comes without.
    if (transport !== undefined) {
      const plain = await play(one, "single");
      assertEquals(single.answers, plain.answers, JSON.stringify(one));
      if (!single.hasFailed) assertEquals(single.kept, plain.kept);
    }
    for (const [at, other] of others.entries()) {
      const way = ways[at + 1];
      const what = `round ${round}, ${way}: ${JSON.stringify(one)}`;
      if (way === "concurrent" && isShared) continue;
      assertEquals(other.answers, single.answers, what);
      if (single.hasFailed) continue;
      assertEquals(
        {
          ...other,
          answers: [],
          connections: 0,
          cached: comparable(one, other, single),
        },
        {
          ...single,
          answers: [],
          connections: 0,
          cached: comparable(one, single, other),
        },
        what,
      );
    }
  }
  return several;
}
