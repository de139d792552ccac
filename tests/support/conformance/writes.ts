import {
  ConfigError,
  type Entry,
  type OpenOptions,
  TemporaryError,
} from "../../../mod.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import { assert, assertEquals, assertRejects } from "../assert.ts";
import { listed, listing, quiet, some, writing } from "./entries.ts";
import { isListed, isWritten, type Requirement } from "./kind.ts";
import { type OddKey, oddKeys, type OddValue, oddValues } from "./odd.ts";

/** Updates and deletes of one key, for tables that can be written. */
export const writes: readonly Requirement[] = [
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
    name: "writes one key in the order of the requests, whoever takes longer",
    of: isWritten,
    async holds(_kind, maker) {
      const open = await maker.make([], utf8Text);
      await using table = await open({ ...writing, duplicates: "replace" });
      await table.update("k", "0");
      const deleted = await Promise.all([
        table.update("K", "1"),
        table.delete("k"),
        table.update("k", "2"),
        table.update("K", "3"),
      ]);
      assertEquals(deleted, [true, true, true, true]);
      assertEquals(await table.lookup("k"), "3");
      await Promise.all([table.update("k", "4"), table.delete("K")]);
      assertEquals(await table.lookup("k"), undefined);
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
      const table: [OpenOptions["duplicates"], boolean, number][] = [
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
];
