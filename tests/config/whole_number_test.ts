import { parseWholeNumber } from "../../lib/config/whole_number.ts";
import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";

Deno.test("parseWholeNumber() reads numbers as Postfix does", async () => {
  const table: [string, number][] = [
    ["60", 60],
    [" 60", 60],
    ["\t\v +60", 60],
    [" -1", -1],
    ["007", 7],
    ["2147483647", 2147483647],
    ["60 ", NaN],
    ["+ 60", NaN],
    ["\u00a060", NaN],
    ["", NaN],
    [" ", NaN],
    ["1h", NaN],
    ["0x10", NaN],
    ["2147483648", NaN],
    ["-2147483649", NaN],
  ];
  // What postmap refuses, it waits a second for.
  await atOnce(6, table, async ([text, expected]) => {
    assertEquals(parseWholeNumber(text), expected, text);
    await using folder = await Folder.make();
    const config = await folder.mailConfiguration(
      `e =\nt_memcache = unix:/nonexistent\nt_backup = static:v\n` +
        `t_ttl = \${e}${text}\${e}\nheader_size_limit = \${e}${text}\${e}\n`,
    );
    const isGood = expected > 0;
    for (const options of [["-q", "k"], ["-bq", "-"]]) {
      for (const program of [runPostmap, runCli]) {
        const args = ["-c", config, ...options, "memcache:t"];
        const { code } = await program(args, { stdin: "k: 1\n\nk\n" });
        const about = `${program.name} ${options}: "${text}"`;
        if (isGood || Number.isNaN(expected)) {
          assertEquals(code, isGood ? 0 : 1, about);
        }
      }
    }
  });
});
