import { ConfigError } from "../../../mod.ts";
import { utf8Text } from "../../../lib/bytes/text.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { listed, listing, numbered, quiet, some, writing } from "./entries.ts";
import { isListed, isWritten, type Requirement } from "./kind.ts";

/** Listings, for all tables. */
export const listings: readonly Requirement[] = [
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
      // Two iterators are independent of each other, and of first() and next().
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
      // Closing the table ends a listing that is not finished.
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
          // Before the cursor, as a cleanup does it.
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
];
