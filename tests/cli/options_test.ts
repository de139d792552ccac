// @ts-types="../support/std_parse_args.d.ts"
import { parseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";
import { UsageError } from "../../lib/cli/command_line.ts";
import {
  type Grammar,
  type Option,
  type ParsedArguments,
  parseOptions,
} from "../../lib/cli/options.ts";
import { postmapOptions } from "../../lib/cli/postmap_options.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { run } from "../support/processes.ts";
import { Random } from "../support/random.ts";

const options: Option[] = [
  { letter: "j", help: "", words: ["json"] },
  { letter: "v", help: "" },
  { letter: "c", argument: "DIR", help: "" },
  { letter: "V", name: "version", help: "" },
  { name: "watch", help: "", words: ["again"] },
  { name: "interval", argument: "SECONDS", help: "" },
  { name: "dry-run", help: "" },
];
const anywhere: Grammar = { options, anywhere: true };
const first: Grammar = { options, anywhere: false };

/** What was given, in a form to compare. */
function shown(parsed: ParsedArguments): Record<string, unknown> {
  const given: Record<string, unknown> = { _: parsed.operands };
  for (const { letter, name, argument } of options) {
    const id = name ?? letter!;
    if (!parsed.has(id)) continue;
    given[id] = argument === undefined ? parsed.count(id) : parsed.values(id);
  }
  return given;
}

Deno.test("parseOptions() takes options wherever they stand, where they may", () => {
  const table: [string[], Record<string, unknown>][] = [
    [[], { _: [] }],
    [["a", "-j", "b"], { _: ["a", "b"], j: 1 }],
    [["-jvv", "-", "-v"], { _: ["-"], j: 1, v: 3 }],
    [["-c", "d", "x"], { _: ["x"], c: ["d"] }],
    [["-jcd", "x"], { _: ["x"], j: 1, c: ["d"] }],
    [["-c-d", "x"], { _: ["x"], c: ["-d"] }],
    [["-c", "-", "x"], { _: ["x"], c: ["-"] }],
    [["-V"], { _: [], version: 1 }],
    [["--version"], { _: [], version: 1 }],
    [["--watch", "x", "--interval", "2"], {
      _: ["x"],
      watch: 1,
      interval: ["2"],
    }],
    [["--interval=-1=2"], { _: [], interval: ["-1=2"] }],
    [["--dry-run", "--", "--watch", "--"], {
      _: ["--watch", "--"],
      "dry-run": 1,
    }],
  ];
  for (const [args, expected] of table) {
    assertEquals(shown(parseOptions(args, anywhere)), expected, args.join(" "));
  }
});

Deno.test("parseOptions() ends options at the first other argument, where they are first", () => {
  const table: [string[], Record<string, unknown>][] = [
    [["-j", "a", "-v"], { _: ["a", "-v"], j: 1 }],
    [["-", "-j"], { _: ["-", "-j"] }],
    [["-j", "--", "-v"], { _: ["-v"], j: 1 }],
    [["-c", "--", "a"], { _: ["a"], c: ["--"] }],
    [["-c", "", "-c", "-j"], { _: [], c: ["", "-j"] }],
    [["--interval", "--watch"], { _: [], interval: ["--watch"] }],
    [["--interval=", "--watch"], { _: [], interval: [""], watch: 1 }],
  ];
  for (const [args, expected] of table) {
    assertEquals(shown(parseOptions(args, first)), expected, args.join(" "));
  }
});

Deno.test("parseOptions() says what is wrong, and what was meant", () => {
  const table: [string[], string][] = [
    [["-x"], "unknown option -x; try --help"],
    [["-J"], "unknown option -J: did you mean -j?"],
    [["-C"], "unknown option -C: did you mean -c DIR?"],
    [["-jx"], "unknown option -x; try --help"],
    [["--wach"], "unknown option --wach: did you mean --watch?"],
    [["--wath=1"], "unknown option --wath: did you mean --watch?"],
    [["--again"], "unknown option --again: did you mean --watch?"],
    [["--jsno"], "unknown option --jsno: did you mean -j?"],
    [["--intervall"], "did you mean --interval SECONDS?"],
    [["--dry_run"], "unknown option --dry_run: did you mean --dry-run?"],
    [["--dry"], "unknown option --dry; try --help"],
    [["-watch"], "unknown option -watch: did you mean --watch?"],
    [["--elephant"], "unknown option --elephant; try --help"],
    [["--toString"], "unknown option --toString; try --help"],
    [["--=x"], "unknown option --; try --help"],
    [["--watch=yes"], "--watch takes no value: --watch=yes"],
    [["-c"], "-c needs a value: -c DIR"],
    [["-c", "-j"], "-c needs a value: -c DIR"],
    [["-c", "", "x"], "-c needs a value: -c DIR"],
    [["--interval", "--watch"], "--interval needs a value"],
    [["--interval="], "--interval needs a value: --interval SECONDS"],
    [["--interval=1", "--interval", "2"], "give --interval only once"],
  ];
  for (const [args, message] of table) {
    const error = assertThrows(
      () => parseOptions(args, anywhere),
      UsageError,
    );
    assertStringIncludes(error.message, message, args.join(" "));
  }
});

Deno.test("parseOptions() takes postmap's arguments apart as getopt(3) does", async () => {
  const random = Random.seeded("getopt");
  const letters = postmapOptions.flatMap(({ letter, argument }) =>
    letter === undefined ? [] : [letter + (argument ? ":" : "")]
  ).join("");
  const pieces = [
    ...["-", "--", "a", "t:1", "-q", "-d", "-c", "-qk", "-fq", "-jfc", "-cq"],
    ...["-vv", "-vdx", "-N", "-bhm", "-q-", "-c--", "-dq", "", "-f", "ä ö"],
    ...["-Z", "-fZ", "-:", "-q=k"],
  ];
  const cases = Array.from({ length: 200 }, () =>
    Array.from(
      { length: random.integer(0, 5) },
      () => random.pick(pieces),
    ));
  // One shell for all. What getopt gives is one option an argument, then "--".
  const script =
    "for case; do if parsed=$(eval \"getopt -q -o '+$0' -- $case\"); " +
    'then eval "set -- $parsed"; printf "%s\\0" "$@"; else printf "bad\\0"; fi; ' +
    'printf "\\1"; done';
  const { stdout } = await run("bash", [
    "-c",
    script,
    letters,
    ...cases.map((args) => args.map((arg) => `'${arg}'`).join(" ")),
  ]);
  const bytes = Uint8Array.from(stdout, (byte) => byte.charCodeAt(0));
  const answers = new TextDecoder().decode(bytes).split("\x01");
  let good = 0;
  for (const [number, args] of cases.entries()) {
    const expected = answers[number].split("\0").slice(0, -1);
    const what = `${JSON.stringify(args)}: ${JSON.stringify(expected)}`;
    const take = () =>
      parseOptions(args, { options: postmapOptions, anywhere: false });
    if (expected[0] === "bad") {
      assertThrows(take, UsageError);
      continue;
    }
    good++;
    const parsed = take();
    const given: Record<string, string[]> = {};
    while (expected[0] !== "--") {
      const letter = expected.shift()!.slice(1);
      const value = letters.includes(`${letter}:`) ? expected.shift()! : "";
      (given[letter] ??= []).push(value);
    }
    assertEquals(parsed.operands, expected.slice(1), what);
    for (const { letter } of postmapOptions) {
      if (letter === undefined || letter === "V") continue;
      assertEquals([...parsed.values(letter)], given[letter] ?? [], what);
    }
  }
  assert(good > 50, `${good}`);
});

Deno.test("parseOptions() takes a subcommand's arguments apart as @std/cli does", () => {
  const random = Random.seeded("parseArgs()");
  // Not "true" behind a flag, and not -cDIR: those it takes for something else.
  const pieces = [
    ...["-j", "-v", "-vj", "--watch", "--dry-run", "a", "b:c", "-", "9", "0x1"],
    ...[
      "--interval 2",
      "--interval=x=y",
      "-c d",
      "-jvc d",
      "--",
    ],
  ];
  const flags = ["j", "v", "watch", "dry-run"];
  const values = ["c", "interval"];
  for (let round = 0; round < 2000; round++) {
    const args = Array.from(
      { length: random.integer(0, 6) },
      () => random.pick(pieces).split(" "),
    ).flat();
    const theirs = parseArgs(args, {
      boolean: flags,
      string: ["_", ...values],
      collect: values,
    });
    const what = JSON.stringify(args);
    if (values.some((name) => (theirs[name] as string[]).length > 1)) {
      assertThrows(() => parseOptions(args, anywhere), UsageError, "only once");
      continue;
    }
    const ours = parseOptions(args, anywhere);
    assertEquals(ours.operands, theirs._, what);
    for (const name of flags) assertEquals(ours.has(name), theirs[name], what);
    for (const name of values) {
      assertEquals([...ours.values(name)], theirs[name] as string[], what);
    }
  }
});
