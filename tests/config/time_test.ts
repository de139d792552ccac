import { parseTime } from "../../lib/config/time.ts";
import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, runPostmap } from "../support/processes.ts";

Deno.test("parseTime() reads times as Postfix does", async () => {
  const table: [string, number | undefined][] = [
    ["1", 86400],
    ["+2", 172800],
    ["90s", 90],
    ["5m", 300],
    ["12h", 43200],
    ["7d", 604800],
    ["2w", 1209600],
    ["7days", 604800],
    ["0", undefined],
    ["-1d", undefined],
    ["", undefined],
    ["d", undefined],
    ["1.5h", undefined],
    ["1 d", undefined],
    ["1y", undefined],
    ["1D", undefined],
    ["2147483647s", 2147483647],
    ["2147483648s", undefined],
    ["30000d", undefined],
    ["99999999999999999999", undefined],
  ];
  // Postmap does not start with what is no time, after a second.
  await atOnce(table.length, table, async ([text, expected]) => {
    assertEquals(parseTime(text, "d"), expected, text);
    await using folder = await Folder.make();
    const config = await folder.mailConfiguration(`ipc_timeout = ${text}\n`);
    const { code } = await runPostmap(["-c", config, "-q", "k", "static:v"]);
    assertEquals(code === 0, parseTime(text, "s") !== undefined, text);
  });
  assertEquals(parseTime("7"), undefined);
  assertEquals(parseTime("7s"), 7);
  for (const zero of ["0", "0s", "0h", "+0d"]) {
    assertEquals(parseTime(zero, "h", 0), 0, zero);
  }
  for (const wrong of ["", "-0", "x", "0x"]) {
    assertEquals(parseTime(wrong, "h", 0), undefined, wrong);
  }
});
