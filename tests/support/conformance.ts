import {
  ClosedError,
  ConfigError,
  type Entry,
  type Found,
  openTable,
  ReadOnlyError,
  type Table,
  type TableOptions,
  TemporaryError,
} from "../../mod.ts";
import { byteText, type Text, utf8Text } from "../../lib/bytes/text.ts";
import { assert, assertEquals, assertRejects } from "./assert.ts";

/** How a table whose data was made is opened. */
export type OpenTable = (options?: TableOptions) => Promise<Table>;

/** Makes the data of one table after the other. */
export interface Maker extends AsyncDisposable {
  /** Makes data of its own for a table; `text` says which bytes they are. */
  make(entries: readonly Entry[], text: Text): Promise<OpenTable>;
}

/** A table type, and what it cannot do. */
export interface Kind {
  readonly name: string;
  start(): Promise<Maker>;
  /** What lookups find: what it has, the one value for all keys, or nothing ever. */
  readonly finds: "its entries" | "v for every key" | "failures";
  /** `refuses`: it can be opened for writing, and each write throws ReadOnlyError. */
  readonly writes: "yes" | "never" | "refuses";
  /** The order of a listing, or why there is none. */
  readonly lists:
    | "bytes"
    | "as given"
    | "any order"
    | "never"
    | "with a warning";
  /** Keys that it skips and refuses, by their names below. */
  readonly noKeys?: readonly OddKey[];
  /** Keys of which it says that it fails. */
  readonly failingKeys?: readonly OddKey[];
  /** Values that it refuses, by their names below. */
  readonly noValues?: readonly OddValue[];
  /** The `duplicates` option has no effect: what is new replaces what was. */
  readonly alwaysReplaces?: true;
  /** How many entries are many; 1200 unless told. */
  readonly many?: number;
  /** Two listings of one table get in each other's way. */
  readonly oneListing?: true;
}

const oddKeys = {
  "empty": "",
  "with a space": "a b",
  "with a space before": " a",
  "with a space behind": "a ",
  "with a tab": "a\tb",
  "quoted": '"a b"',
  "a tab in quotes": '"a\tb"',
  "one quote": 'a"b',
  "escaped quote": 'a\\"b',
  "with a backslash": "a\\b",
  "with a newline": "a\nb",
  "with a carriage return": "a\rb",
  "with a null byte": "a\0b",
  "with an escape": "a\x1bb",
  "a comment": "#a",
  "an option": "-q",
  "a dash": "-",
  "with a colon": "a:b",
  "an assignment": "a=b",
  "in braces": "{a}",
  "a comma": "a,b",
  "a dollar": "$a",
  "a percent": "%s",
  "300 bytes": "k".repeat(300),
  "300 bytes of UTF-8": "é".repeat(150),
  "beyond 16 bits": "😀",
  "a byte order mark": "\ufeffa",
  "no text": "\ud800",
};

const oddValues = {
  "empty": "",
  "with a space before": " v",
  "with a space behind": "v ",
  "with a tab": "v\tw",
  "with a newline": "v\nw",
  "with a carriage return": "v\r",
  "a reply": "v\r\nEND\r\n",
  "UTF-8": "käse 😀",
  "quoted": '"v',
  "a comment": "# v",
  "5000 bytes": "v".repeat(5000),
  "no text": "\ud800",
};

/** The name of a key that not every type keeps. */
export type OddKey = keyof typeof oddKeys;
/** The name of a value that not every type keeps. */
export type OddValue = keyof typeof oddValues;

const some: Entry[] = [
  { key: "alice", value: "one" },
  { key: "strasse", value: "s" },
  { key: "bob", value: "two words" },
  { key: "käse", value: "Brot 😀" },
  { key: "a@b.example", value: "c@d.example, e@f.example" },
];

const quiet: TableOptions = { utf8: true, onWarning: () => {} };
const writing: TableOptions = { ...quiet, write: true };

function encodedOrder(entries: readonly Entry[]): Entry[] {
  const bytes = (key: string) => byteText.decode(utf8Text.encode(key))!;
  return entries.toSorted((left, right) =>
    bytes(left.key) < bytes(right.key) ? -1 : 1
  );
}

/** What a listing of `entries` is, in the order in which `kind` has them. */
function listing(kind: Kind, entries: readonly Entry[]): Entry[] {
  return kind.lists === "as given" ? [...entries] : encodedOrder(entries);
}

async function listed(kind: Kind, table: Table): Promise<Entry[]> {
  const entries = await Array.fromAsync(table);
  return kind.lists === "any order" ? encodedOrder(entries) : entries;
}

function numbered(count: number): Entry[] {
  return Array.from({ length: count }, (_, number) => ({
    key: `k${String(number).padStart(5, "0")}`,
    value: `v${number}`,
  }));
}

/** What every table of some kinds does. */
export interface Requirement {
  readonly name: string;
  readonly of?: (kind: Kind) => boolean;
  readonly holds: (kind: Kind, maker: Maker) => Promise<void>;
}

const isWritten = ({ writes }: Kind) => writes === "yes";
const isListed = ({ lists }: Kind) =>
  lists !== "never" && lists !== "with a warning";

/** All that tables of a kind do, as far as the kind can. */
export const requirements: Requirement[] = [
  {
    name: "finds what it has, and nothing else",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      const warnings: string[] = [];
      await using table = await open({
        ...quiet,
        onWarning: (line) => warnings.push(line),
      });
      assert(table.name !== "" && table.writable === false);
      const asked = [
        ...some.map(({ key, value }): [string, string | undefined] => [
          key,
          value,
        ]),
        ["nobody", undefined],
        ["alic", undefined],
        ["alice ", undefined],
        ["alice2", undefined],
        ["alice\0", undefined],
        ["alice\n", undefined],
      ] as [string, string | undefined][];
      for (const [key, value] of asked) {
        if (kind.finds === "failures") {
          await assertRejects(() => table.lookup(key), TemporaryError);
        } else {
          assertEquals(
            await table.lookup(key),
            kind.finds === "v for every key" ? "v" : value,
            JSON.stringify(key),
          );
        }
      }
      assertEquals(warnings, []);
    },
  },
  {
    name: "skips a key that it cannot have",
    of: ({ finds }) => finds === "its entries",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using table = await open(quiet);
      for (const [name, key] of Object.entries(oddKeys)) {
        if (kind.failingKeys?.includes(name as OddKey)) {
          await assertRejects(() => table.lookup(key), TemporaryError);
        } else assertEquals(await table.lookup(key), undefined, name);
      }
      assertEquals(await table.lookup("alice"), "one");
    },
  },
  {
    name: "answers many at once, each its own",
    of: ({ finds }) => finds === "its entries",
    async holds(_kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using table = await open(quiet);
      const asked = [...some, ...some, { key: "nobody", value: undefined }];
      assertEquals(
        await Promise.all(asked.map(({ key }) => table.lookup(key))),
        asked.map(({ value }) => value),
      );
    },
  },
  {
    name: "looks many up, and tells of each in order",
    async holds(kind, maker) {
      const many = numbered(Math.min(kind.many ?? 30, 30));
      const open = await maker.make([...some, ...many], utf8Text);
      await using table = await open(quiet);
      const odd = Object.entries(oddKeys).filter(([name]) =>
        !kind.failingKeys?.includes(name as OddKey)
      ).map(([, key]) => key);
      const keys = [
        ...some.map(({ key }) => key.toUpperCase()),
        ...odd,
        "alice",
        "alice",
        ...many.map(({ key }) => key),
        "nobody",
      ];
      async function* coming() {
        yield* keys;
      }
      if (kind.finds === "failures") {
        await assertRejects(
          () => Array.fromAsync(table.lookupMany(keys)),
          TemporaryError,
        );
        return;
      }
      const expected: Found[] = [];
      for (const key of keys) {
        expected.push({ key, value: await table.lookup(key) });
      }
      assertEquals(await Array.fromAsync(table.lookupMany(keys)), expected);
      assertEquals(await Array.fromAsync(table.lookupMany(coming())), expected);
      assertEquals(await Array.fromAsync(table.lookupMany([])), []);
      await using plain = await open({ ...quiet, fold: false });
      const found = await Array.fromAsync(plain.lookupMany(["ALICE", "alice"]));
      const isStatic = kind.finds === "v for every key";
      assertEquals(found.map(({ value }) => value), [
        isStatic ? "v" : undefined,
        isStatic ? "v" : "one",
      ]);
      for (const name of kind.failingKeys ?? []) {
        const told: Found[] = [];
        await assertRejects(async () => {
          const failing = ["alice", "nobody", oddKeys[name], "bob"];
          for await (const one of table.lookupMany(failing)) told.push(one);
        }, TemporaryError);
        assertEquals(told.length, 2, name);
      }
      await assertRejects(
        () => Array.fromAsync(table.lookupMany(["a", 1 as unknown as string])),
        TypeError,
      );
      for await (const { key } of table.lookupMany(keys)) {
        assertEquals(key, keys[0]);
        break;
      }
      assertEquals(await table.lookup("ALICE"), isStatic ? "v" : "one");
    },
  },
  {
    name: "removes many, and tells of each in order",
    of: isWritten,
    async holds(kind, maker) {
      const many = numbered(Math.min(kind.many ?? 20, 20));
      const open = await maker.make([...some, ...many], utf8Text);
      await using table = await open(writing);
      const keys = [
        "ALICE",
        "alice",
        "nobody",
        "\ud800",
        "a\0b",
        ...many.slice(1).map(({ key }) => key),
        "KÄSE",
        "k00001",
      ];
      async function* coming() {
        yield* keys;
      }
      assertEquals(
        await Array.fromAsync(table.deleteMany(coming())),
        keys.map((key, at) => ({
          key,
          deleted: at === 0 || (at > 4 && at < keys.length - 1),
        })),
      );
      assertEquals(await Array.fromAsync(table.deleteMany([])), []);
      const left = [...some, ...many].filter(({ key }) =>
        !keys.includes(key) && key !== "käse"
      );
      const found = table.lookupMany(left.map(({ key }) => key));
      assertEquals(await Array.fromAsync(found), left);
      if (isListed(kind)) {
        assertEquals(await listed(kind, table), listing(kind, left));
      }
    },
  },
  {
    name: "folds keys, unless told not to",
    of: ({ finds }) => finds === "its entries",
    async holds(_kind, maker) {
      const open = await maker.make(some, utf8Text);
      const table: [string, string | undefined, string | undefined][] = [
        ["ALICE", "one", undefined],
        ["alice", "one", "one"],
        ["Käse", "Brot 😀", undefined],
        ["KÄSE", "Brot 😀", undefined],
        ["STRAßE", "s", undefined],
        ["straße", "s", undefined],
      ];
      await using folding = await open(quiet);
      await using plain = await open({ ...quiet, fold: false });
      for (const [key, folded, unfolded] of table) {
        assertEquals(await folding.lookup(key), folded, key);
        assertEquals(await plain.lookup(key), unfolded, `${key}, not folded`);
      }
    },
  },
  {
    name: "writes keys folded, unless told not to",
    of: isWritten,
    async holds(_kind, maker) {
      const open = await maker.make([], utf8Text);
      await using folding = await open(writing);
      await using plain = await open({ ...writing, fold: false });
      assertEquals(await folding.update("KÄSE", "folded"), true);
      assertEquals(await plain.update("KÄSE", "plain"), true);
      assertEquals(await plain.lookup("käse"), "folded");
      assertEquals(await plain.lookup("KÄSE"), "plain");
      assertEquals(await plain.delete("Käse"), false);
      assertEquals(await folding.delete("kÄSE"), true);
      assertEquals(await folding.lookup("KÄSE"), undefined);
      assertEquals(await plain.lookup("KÄSE"), "plain");
    },
  },
  {
    name: "finds byte strings while UTF-8 is off",
    of: ({ finds }) => finds === "its entries",
    async holds(kind, maker) {
      // What is UTF-8 too, for the types whose entries are text of a name.
      const open = await maker.make(
        [{ key: "k\xc3\xa4se", value: "\xc3\x96l" }],
        byteText,
      );
      await using table = await open({ ...quiet, utf8: false });
      assertEquals(await table.lookup("K\xc3\xa4SE"), "\xc3\x96l");
      assertEquals(await table.lookup("k\xc3\x84se"), undefined);
      assertEquals(await table.lookup("käse"), undefined);
      // Text that is no byte string.
      assertEquals(await table.lookup("k€"), undefined);
      await using text = await open(quiet);
      assertEquals(await text.lookup("KÄSE"), "Öl");
      if (!isListed(kind)) return;
      assertEquals(await Array.fromAsync(table), [{
        key: "k\xc3\xa4se",
        value: "\xc3\x96l",
      }]);
    },
  },
  {
    name: "keeps any byte while UTF-8 is off, and says so while it is on",
    of: isWritten,
    async holds(kind, maker) {
      const open = await maker.make([], byteText);
      const warnings: string[] = [];
      await using table = await open({
        ...writing,
        utf8: false,
        onWarning: (line) => warnings.push(line),
      });
      assertEquals(await table.update("K\xff", "\x80v\xfe"), true);
      assertEquals(await table.update("a", "\xff"), true);
      assertEquals(warnings, []);
      assertEquals(await table.update("k€", "v"), false);
      assertEquals(await table.update("k", "€"), false);
      assertEquals(warnings.length, 2);
      assertEquals(await table.lookup("k\xff"), "\x80v\xfe");
      await using text = await open(quiet);
      await assertRejects(() => text.lookup("a"), ConfigError, "UTF-8");
      if (isListed(kind)) {
        assertEquals(await listed(kind, table), [
          { key: "a", value: "\xff" },
          { key: "k\xff", value: "\x80v\xfe" },
        ]);
        await assertRejects(() => Array.fromAsync(text), ConfigError, "UTF-8");
      }
      assertEquals(await table.delete("K\xff"), true);
      assertEquals(await table.lookup("k\xff"), undefined);
    },
  },
  {
    name: "updates and deletes",
    of: isWritten,
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using table = await open(writing);
      assertEquals(table.writable, true);
      assertEquals(await table.update("new", "1"), true);
      assertEquals(await table.lookup("new"), "1");
      assertEquals(await table.update("new", "2"), true);
      assertEquals(await table.lookup("new"), "2");
      assertEquals(await table.delete("alice"), true);
      assertEquals(await table.delete("alice"), false);
      assertEquals(await table.lookup("alice"), undefined);
      assertEquals(await table.delete("nobody"), false);
      assertEquals(await table.update("alice", "again"), true);
      assertEquals(await table.lookup("alice"), "again");
      assertEquals(await table.lookup("bob"), "two words");
      if (!isListed(kind)) return;
      const left = some.with(0, { key: "alice", value: "again" });
      assertEquals(
        await listed(kind, table),
        listing(kind, [...left, { key: "new", value: "2" }]),
      );
    },
  },
  {
    name: "keeps odd keys, or refuses them with a warning",
    of: isWritten,
    async holds(kind, maker) {
      const open = await maker.make([], utf8Text);
      const warnings: string[] = [];
      await using table = await open({
        ...writing,
        fold: false,
        onWarning: (line) => warnings.push(line),
      });
      const kept: Entry[] = [];
      for (const [name, key] of Object.entries(oddKeys)) {
        warnings.length = 0;
        const odd = name as OddKey;
        if (kind.failingKeys?.includes(odd)) {
          const { message } = await assertRejects(
            () => table.update(key, name),
            TemporaryError,
          );
          assert(message.includes("bytes"), message);
          await assertRejects(() => table.delete(key), TemporaryError);
        } else if (odd === "no text" || kind.noKeys?.includes(odd)) {
          assertEquals(await table.update(key, name), false, name);
          assertEquals(warnings.length, 1, `${name}: ${warnings}`);
          assertEquals(await table.delete(key), false, name);
          assertEquals(await table.lookup(key), undefined, name);
        } else {
          assertEquals(await table.update(key, name), true, name);
          assertEquals(await table.lookup(key), name);
          kept.push({ key, value: name });
        }
      }
      if (isListed(kind)) {
        assertEquals(await listed(kind, table), listing(kind, kept));
      }
      for (const { key, value } of kept) {
        assertEquals(await table.delete(key), true, value);
        assertEquals(await table.delete(key), false, value);
        assertEquals(await table.lookup(key), undefined, value);
      }
      if (isListed(kind)) assertEquals(await Array.fromAsync(table), []);
    },
  },
  {
    name: "keeps values as they are, or refuses them with a warning",
    of: isWritten,
    async holds(kind, maker) {
      const open = await maker.make([], utf8Text);
      const warnings: string[] = [];
      await using table = await open({
        ...writing,
        onWarning: (line) => warnings.push(line),
      });
      for (const [name, value] of Object.entries(oddValues)) {
        warnings.length = 0;
        const odd = name as OddValue;
        const stored = odd !== "no text" && !kind.noValues?.includes(odd);
        const key = name.replaceAll(" ", "-");
        assertEquals(await table.update(key, value), stored, name);
        assertEquals(warnings.length, stored ? 0 : 1, `${name}: ${warnings}`);
        assertEquals(
          await table.lookup(key.toUpperCase()),
          stored ? value : undefined,
        );
      }
    },
  },
  {
    name: "obeys the duplicates option",
    of: isWritten,
    async holds(kind, maker) {
      const table: [TableOptions["duplicates"], boolean, number][] = [
        [undefined, true, 0],
        ["replace", true, 0],
        ["ignore", false, 0],
        ["warn", false, 1],
      ];
      for (const [duplicates, replaces, count] of table) {
        const replaced = replaces || kind.alwaysReplaces === true;
        const open = await maker.make(some, utf8Text);
        const warnings: string[] = [];
        const onWarning = (line: string) => warnings.push(line);
        await using one = await open({ ...writing, duplicates, onWarning });
        assertEquals(await one.update("Alice", "again"), replaced, duplicates);
        assertEquals(await one.lookup("alice"), replaced ? "again" : "one");
        assertEquals(warnings.length, replaced ? 0 : count, `${warnings}`);
        if (!replaced) {
          const kept: string[] = [];
          await using telling = await open({
            ...writing,
            duplicates,
            onDuplicate: (key) => kept.push(key),
          });
          const told = await Array.fromAsync(telling.updateMany([
            { key: "bob", value: "again" },
            { key: "New", value: "1" },
            { key: '"q"', value: "1" },
            { key: "KÄSE", value: "again" },
            { key: "new", value: "2" },
          ]));
          assertEquals(
            told.map(({ stored }) => stored),
            [false, true, true, false, false],
          );
          assertEquals(kept, ["bob", "käse", "new"]);
          await using plain = await open({
            ...writing,
            fold: false,
            duplicates,
            onDuplicate: (key) => kept.push(key),
          });
          const plainly = await Array.fromAsync(plain.updateMany([
            { key: "bob", value: "again" },
            { key: "BOB", value: "1" },
          ]));
          assertEquals(plainly.map(({ stored }) => stored), [false, true]);
        }
        assertEquals(await one.delete("alice"), true);
        assertEquals(await one.update("alice", "third"), true);
        assertEquals(await one.lookup("alice"), "third");
      }
    },
  },
  {
    name: "stores many, and tells of each in order",
    of: isWritten,
    async holds(kind, maker) {
      const open = await maker.make([], utf8Text);
      await using table = await open(writing);
      const many = numbered(Math.min(kind.many ?? 250, 250));
      const entries = [
        ...many.slice(0, 120),
        { key: "", value: "the empty key" },
        { key: "\ud800", value: "no text" },
        { key: "K00007", value: "again" },
        ...many.slice(120),
      ];
      async function* coming() {
        yield* entries;
      }
      assertEquals(
        await Array.fromAsync(table.updateMany(coming())),
        entries.map(({ key }) => ({
          key,
          stored: key !== "\ud800" &&
            (key !== "" || !kind.noKeys?.includes("empty")),
        })),
      );
      assertEquals(await table.lookup("k00007"), "again");
      const { key, value } = many.at(-1)!;
      assertEquals(await table.lookup(key.toUpperCase()), value);
      await table.delete("");
      assertEquals(await Array.fromAsync(table.updateMany([])), []);
      if (isListed(kind)) {
        assertEquals(
          await listed(kind, table),
          listing(kind, many.with(7, { key: "k00007", value: "again" })),
        );
      }
      await assertRejects(
        () =>
          Array.fromAsync(table.updateMany([
            { key: "x", value: 1 as unknown as string },
          ])),
        TypeError,
      );
      for await (
        const { stored } of table.updateMany([{ key: "y", value: "1" }])
      ) {
        assertEquals(stored, true);
        break;
      }
      assertEquals(await table.lookup("y"), "1");
    },
  },
  {
    name: "refuses writes unless it was opened for them",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using table = await open(quiet);
      const writes = [
        () => table.update("alice", "1"),
        () => table.delete("alice"),
        () => Array.fromAsync(table.updateMany([{ key: "a", value: "1" }])),
        () => Array.fromAsync(table.deleteMany(["alice"])),
      ];
      for (const write of writes) {
        await assertRejects(write, ReadOnlyError, "read-only");
      }
      if (kind.finds === "its entries") {
        assertEquals(await table.lookup("alice"), "one");
      }
      if (kind.writes === "never") {
        await assertRejects(() => open(writing), ReadOnlyError, "read-only");
      }
      if (kind.writes === "refuses") {
        await using refusing = await open(writing);
        const error = kind.finds === "failures"
          ? TemporaryError
          : ReadOnlyError;
        await assertRejects(() => refusing.update("alice", "1"), error);
        await assertRejects(() => refusing.delete("alice"), error);
      }
    },
  },
  {
    name: "takes strings and nothing else",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using table = await open(kind.writes === "yes" ? writing : quiet);
      const wrong = table as unknown as Record<
        "lookup" | "update" | "delete",
        (...given: unknown[]) => Promise<unknown>
      >;
      for (
        const key of [1, null, undefined, {}, new Uint8Array(1), ["alice"]]
      ) {
        await assertRejects(() => wrong.lookup(key), TypeError, "string");
        if (kind.writes !== "yes") continue;
        await assertRejects(() => wrong.update(key, "v"), TypeError, "string");
        await assertRejects(() => wrong.update("k", key), TypeError, "string");
        await assertRejects(() => wrong.delete(key), TypeError, "string");
      }
      if (kind.writes !== "yes") return;
      await assertRejects(() => table.update("k", "v\0"), TypeError, "null");
      assertEquals(await table.lookup("k"), undefined);
    },
  },
  {
    name: "cannot be listed, and says so",
    of: (kind) => !isListed(kind) && kind.finds !== "failures",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      const warnings: string[] = [];
      await using table = await open({
        ...quiet,
        onWarning: (line) => warnings.push(line),
      });
      if (kind.lists === "with a warning") {
        assertEquals(await Array.fromAsync(table), []);
        assertEquals(warnings.length, 1);
        return;
      }
      await assertRejects(() => table.first(), ConfigError, "cannot be listed");
      await assertRejects(
        async () => await Array.fromAsync(table),
        ConfigError,
        "cannot be listed",
      );
    },
  },
  {
    name: "lists all its entries once, in its order",
    of: isListed,
    async holds(kind, maker) {
      const entries = [
        ...some,
        ...["é", "€", "😀", "~", "b", "ab", "\uffee"].map((key) => ({
          key,
          value: `${key}!`,
        })),
      ];
      const open = await maker.make(entries, utf8Text);
      await using table = await open(quiet);
      const expected = listing(kind, entries);
      assertEquals(await listed(kind, table), expected);
      const order = await Array.fromAsync(table);

      assertEquals(await table.next(), order[0]);
      assertEquals(await table.next(), order[1]);
      assertEquals(await table.first(), order[0]);
      for (const entry of order.slice(1)) {
        assertEquals(await table.next(), entry);
      }
      assertEquals(await table.next(), undefined);
      assertEquals(await table.next(), undefined);
      assertEquals(await table.first(), order[0]);

      if (kind.oneListing) return;
      // Listings of their own: neither moves the other, nor first and next.
      const left = table[Symbol.asyncIterator]();
      const right = table[Symbol.asyncIterator]();
      assertEquals((await left.next()).value, order[0]);
      assertEquals((await left.next()).value, order[1]);
      assertEquals((await right.next()).value, order[0]);
      assertEquals((await left.next()).value, order[2]);
      assertEquals(await table.next(), order[1]);
      await left.return?.();
      await right.return?.();
    },
  },
  {
    name: "lists nothing when it is empty",
    of: (kind) => isListed(kind) && isWritten(kind),
    async holds(_kind, maker) {
      const open = await maker.make([], utf8Text);
      await using table = await open(quiet);
      assertEquals(await Array.fromAsync(table), []);
      assertEquals(await table.first(), undefined);
      assertEquals(await table.next(), undefined);
    },
  },
  {
    name: "ends a listing that is left in the middle",
    of: isListed,
    async holds(kind, maker) {
      const entries = numbered(kind.many ?? 1200);
      const open = await maker.make(entries, utf8Text);
      await using table = await open(quiet);
      let seen = 0;
      for await (const { key } of table) {
        assertEquals(typeof key, "string");
        if (++seen === 5) break;
      }
      await assertRejects(
        async () => {
          for await (const { key } of table) throw new Error(`left at ${key}`);
        },
        Error,
        "left at",
      );
      assertEquals(await listed(kind, table), listing(kind, entries));
      // And one that is not ended is ended by close.
      await table.first();
    },
  },
  {
    name: "lists what stays, though entries come and go meanwhile",
    of: (kind) => isListed(kind) && isWritten(kind),
    async holds(kind, maker) {
      const entries = numbered(Math.min(kind.many ?? 300, 300));
      const open = await maker.make(entries, utf8Text);
      await using table = await open(writing);
      const staying = new Set<string>();
      const seen: string[] = [];
      let step = 0;
      for await (const { key } of table) {
        seen.push(key);
        if (step++ % 30 === 0) {
          // Behind the cursor, as a clean-up does it.
          assertEquals(await table.delete(key), true);
          assertEquals(await table.update(`${key}new`, "v"), true);
        } else staying.add(key);
      }
      assertEquals(new Set(seen).size, seen.length, "one is seen twice");
      const missed = entries.filter(({ key }) => !seen.includes(key));
      assertEquals(missed, []);
      const left = await Array.fromAsync(table, ({ key }) => key);
      assertEquals([...staying].filter((key) => !left.includes(key)), []);
    },
  },
  {
    name: "shows what another one writes",
    of: isWritten,
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using reader = await open(quiet);
      await using one = await open(writing);
      await using other = await open(writing);
      assertEquals(await reader.lookup("new"), undefined);
      assertEquals(await one.update("new", "1"), true);
      assertEquals(await reader.lookup("new"), "1");
      assertEquals(await other.update("new", "2"), true);
      assertEquals(await one.lookup("new"), "2");
      assertEquals(await one.delete("new"), true);
      assertEquals(await other.delete("new"), false);
      assertEquals(await reader.lookup("new"), undefined);
      if (!isListed(kind)) return;
      assertEquals(await listed(kind, reader), listing(kind, some));
    },
  },
  {
    name: "once closed, fails, and may be closed again",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      const written = kind.writes === "yes";
      const unused = await open(quiet);
      await unused.close();
      const table = await open(written ? writing : quiet);
      if (kind.finds !== "failures") await table.lookup("alice");
      if (isListed(kind)) await table.first();
      await Promise.all([table.close(), table.close()]);
      await table.close();
      await table[Symbol.asyncDispose]();
      for (const closed of [unused, table]) {
        await assertRejects(() => closed.lookup("k"), ClosedError, "closed");
        await assertRejects(
          () => Array.fromAsync(closed.lookupMany(["k"])),
          ClosedError,
          "closed",
        );
        await assertRejects(() => closed.next(), ClosedError, "closed");
        await assertRejects(() => closed.first(), ClosedError, "closed");
        await assertRejects(
          async () => await Array.fromAsync(closed),
          ClosedError,
          "closed",
        );
      }
      if (!written) return;
      const entry = { key: "k", value: "v" };
      const calls = [
        () => table.update("k", "v"),
        () => table.delete("k"),
        () => Array.fromAsync(table.updateMany([entry])),
        () => Array.fromAsync(table.deleteMany(["k"])),
      ];
      for (const call of calls) {
        await assertRejects(call, ClosedError, "closed");
      }
    },
  },
  {
    name: "ends a request by a signal of its own, and no other",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using table = await open(kind.writes === "yes" ? writing : quiet);
      const options = { signal: AbortSignal.abort(new Error("enough")) };
      const requests = [
        () => table.lookup("alice", options),
        () => Array.fromAsync(table.lookupMany(["alice"], options)),
      ] as (() => Promise<unknown>)[];
      if (kind.writes === "yes") {
        requests.push(
          () => table.update("new", "1", options),
          () => table.delete("alice", options),
          () => Array.fromAsync(table.deleteMany(["alice"], options)),
          () =>
            Array.fromAsync(
              table.updateMany([{ key: "new", value: "1" }], options),
            ),
        );
      }
      for (const request of requests) {
        await assertRejects(request, Error, "enough");
      }
      if (kind.finds !== "its entries") return;
      assertEquals(await table.lookup("alice"), "one");
      assertEquals(await table.lookup("new"), undefined);
    },
  },
  {
    name: "is closed by its signal, with the reason",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      const abort = new AbortController();
      const table = await open({ ...quiet, signal: abort.signal });
      if (kind.finds !== "failures") await table.lookup("alice");
      abort.abort(new Error("shutting down"));
      await assertRejects(() => table.lookup("k"), Error, "shutting down");
      await assertRejects(() => table.first(), Error, "shutting down");
      await table.close();
      await assertRejects(
        () => open({ ...quiet, signal: abort.signal }),
        Error,
        "shutting down",
      );
    },
  },
];

/** Opens a table by its name, with options of the kind below those of the test. */
export function opener(name: string, more: TableOptions = {}): OpenTable {
  return (options = {}) => openTable(name, { ...more, ...options });
}
