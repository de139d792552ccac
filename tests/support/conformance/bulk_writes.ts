import { utf8Text } from "../../../lib/bytes/text.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { listed, listing, numbered, some, writing } from "./entries.ts";
import { isListed, isWritten, type Requirement } from "./kind.ts";

/** Updates and deletes of many keys, for tables that can be written. */
export const bulkWrites: readonly Requirement[] = [
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
];
