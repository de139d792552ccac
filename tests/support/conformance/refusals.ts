import { ReadOnlyError, TemporaryError } from "../../../mod.ts";
import { utf8Text } from "../../../lib/bytes/text.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { quiet, some, writing } from "./entries.ts";
import type { Requirement } from "./kind.ts";

/** Invalid requests, for all tables. */
export const refusals: readonly Requirement[] = [
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
];
