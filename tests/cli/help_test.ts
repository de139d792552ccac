import { UsageError } from "../../lib/cli/command_line.ts";
import { helpOn, version } from "../../lib/cli/help.ts";
import type { Option } from "../../lib/cli/options.ts";
import { postmapOptions } from "../../lib/cli/postmap_options.ts";
import { referencePages } from "../../lib/cli/reference/pages.ts";
import {
  defaultAccess,
  defaultParameters,
} from "../../lib/tables/memcache/parameters.ts";
import { helpPageOf } from "../../lib/cli/subcommands/subcommand.ts";
import { subcommands } from "../../lib/cli/subcommands/subcommands.ts";
import { tableTypes } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { runCli } from "../support/processes.ts";

/** The options of everything that has a help page, by the page's subject. */
async function optionsOfAll(): Promise<Record<string, readonly Option[]>> {
  const all: Record<string, readonly Option[]> = { "": postmapOptions };
  for (const [name, { load }] of Object.entries(subcommands)) {
    all[name] = helpPageOf(await load()).options;
  }
  return all;
}

Deno.test("helpOn() fits every subject on one screen, with all that it has", async () => {
  const subjects = ["", "tables", "topics", ...Object.keys(subcommands)];
  const options = await optionsOfAll();
  for (const subject of subjects) {
    const text = await helpOn(subject === "" ? [] : [subject]);
    const lines = text.trimEnd().split("\n");
    assert(lines.length < 24, `${subject}: ${lines.length} lines`);
    for (const line of lines) {
      assert(line.length < 80 && line === line.trimEnd(), line);
    }
    assert(!text.includes("\n\n\n"), subject);
    for (
      const { letter, name, argument = "", help } of options[subject] ?? []
    ) {
      if (name === "help") continue;
      const given = letter === undefined ? `--${name}` : `-${letter}`;
      assertStringIncludes(text, ` ${given} ${argument}`.trimEnd(), subject);
      const words = help.split(" ").slice(0, 3).join(" ");
      assertStringIncludes(text, words, subject);
    }
    if (subject === "") {
      for (const name of Object.keys(subcommands)) {
        assertStringIncludes(text, `  ${name} `);
      }
    } else if (subject === "tables") {
      for (const type of tableTypes) assertStringIncludes(text, `  ${type}:`);
    } else if (subject === "topics") {
      for (const topic of Object.keys(referencePages)) {
        assertStringIncludes(text, `  ${topic} `);
      }
    } else {
      assertStringIncludes(text, `Usage: memcache-table ${subject} `);
      assertStringIncludes(text, "\nExit status: 0 ");
      assertStringIncludes(text, `\n  memcache-table ${subject} `);
    }
  }
});

Deno.test("helpOn() explains each parameter with its default, in lines that fit", async () => {
  const text = await helpOn(["parameters"]);
  const defaults = { ...defaultParameters, ...defaultAccess };
  for (const [name, value] of Object.entries(defaults)) {
    const term = value === "" ? name : `${name} = ${value}`;
    assertStringIncludes(text, `\n  ${term}\n      `);
  }
  for (const topic of Object.keys(referencePages)) {
    const page = await helpOn([topic]);
    for (const line of page.split("\n")) {
      assert(line.length < 80 && line === line.trimEnd(), line);
    }
  }
});

Deno.test("helpOn() says more of every option of postmap", async () => {
  for (const { letter, name, help } of postmapOptions) {
    for (const subject of [`-${letter}`, `--${name}`]) {
      if (subject.endsWith("undefined")) continue;
      const text = await helpOn([subject]);
      assertStringIncludes(text, subject);
      assertStringIncludes(text, help);
      for (const line of text.split("\n")) assert(line.length < 80, line);
    }
  }
});

Deno.test("no two options are called the same", async () => {
  for (const [subject, options] of Object.entries(await optionsOfAll())) {
    const names = options.flatMap(({ letter, name, words = [] }) => [
      ...(letter === undefined ? [] : [`-${letter}`]),
      ...[name ?? "", ...words].filter((word) => word.length > 1),
    ]);
    assertEquals(names.length, new Set(names).size, `${subject}: ${names}`);
  }
});

Deno.test("helpOn() says what there is no help on, and what was meant", async () => {
  const table: [string[], string][] = [
    [["chek"], 'no help on "chek": did you mean check?'],
    [["table"], "did you mean tables?"],
    [["--versoin"], "did you mean -V?"],
    [["query"], "did you mean -q?"],
    [["elephant"], "there is some on topics, tables, "],
    [["-x"], "there is some on topics, tables, "],
    [["check", "stats"], "help takes one subject, not 2"],
  ];
  for (const [subjects, message] of table) {
    await assertRejects(() => helpOn(subjects), UsageError, message);
  }
});

Deno.test("command line helps however it is asked, and knows its version", async () => {
  const versionLine = `memcache-table ${version}\n`;
  const main = await helpOn([]);
  const check = await helpOn(["check"]);
  const table: [string[], string][] = [
    [["--help"], main],
    [["help"], main],
    [["help", "help"], main],
    [["-f", "--help"], main],
    [["--help", "memcache:/etc/postfix/aliases.cf"], main],
    [["help", "check"], check],
    [["--help", "check"], check],
    [["check", "--help"], check],
    [["check", "-j", "static:v", "--help"], check],
    [["help", "-q"], await helpOn(["-q"])],
    [["--version"], versionLine],
    [["version"], versionLine],
    [["-V"], versionLine],
    [["-vV"], versionLine],
  ];
  await Promise.all(table.map(async ([args, text]) => {
    const { code, stdout, stderr } = await runCli(args);
    assertEquals([code, stdout, stderr], [0, text, ""], args.join(" "));
  }));
});

Deno.test("command line says what was meant by words that are no subcommand", async () => {
  const table: [string[], string][] = [
    [["chek", "static:v"], 'no subcommand "chek": did you mean check?'],
    [["help", "chek"], "did you mean check?"],
    [["--help", "chek"], "did you mean check?"],
    [["static:v", "-q", "k"], "memcache-table -q k static:v"],
    [["hash:/a"], "memcache-table -i hash:/a < /a"],
    [["memcahe:/a"], "did you mean memcache:/a?"],
    [["-q", "k", "memcahe:/a"], "did you mean memcache? There are memcache, "],
    [["stats", "--wacth", "memcache:a"], "did you mean --watch?"],
    [["check", "-h"], "did you mean --help?"],
    [["check", "--jsn", "static:v"], "did you mean -j?"],
    [["cleanup", "--post-screen", "kv:a"], "did you mean --postscreen?"],
    [["warm", "-c"], "-c needs a value: -c DIR"],
    [["warm", "-c/a", "-c/b", "kv:a"], "give -c only once"],
  ];
  await Promise.all(table.map(async ([args, message]) => {
    const { code, stdout, stderr } = await runCli(args);
    assertEquals([code, stdout], [1, ""], args.join(" "));
    assert(stderr.startsWith("memcache-table: fatal: "), stderr);
    assertEquals(stderr.split("\n").length, 2, stderr);
    assertStringIncludes(stderr, message);
  }));
});

Deno.test("-v may be given more than once, to all that take it", async () => {
  const plain = await runCli(["-v", "-q", "k", "static:v"]);
  assertEquals([plain.code, plain.stdout], [0, "v\n"]);
  for (const given of [["-vv"], ["-v", "-v", "-vvv"]]) {
    const { code, stdout, stderr } = await runCli([
      ...given,
      "-q",
      "k",
      "static:v",
    ]);
    assertEquals([code, stdout, stderr], [0, "v\n", plain.stderr]);
    assertEquals((await runCli(["check", ...given, "static:v"])).code, 0);
  }
});
