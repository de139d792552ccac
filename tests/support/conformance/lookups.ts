import { type LookupResult, TemporaryError } from "../../../mod.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import { assert, assertEquals, assertRejects } from "../assert.ts";
import { numbered, quiet, some } from "./entries.ts";
import { isListed, type Requirement } from "./kind.ts";
import { type OddKey, oddKeys } from "./odd.ts";

/** Lookups, for all tables. */
export const lookups: readonly Requirement[] = [
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
      const expected: LookupResult[] = [];
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
        const told: LookupResult[] = [];
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
];
