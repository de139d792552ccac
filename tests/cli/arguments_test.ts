import { parseCommandLine } from "../../lib/cli/arguments.ts";
import {
  type CommandLine,
  plainLookup,
  UsageError,
} from "../../lib/cli/command_line.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const plain: CommandLine = {
  action: "lookup",
  key: "k",
  tables: ["t:1"],
  message: undefined,
  fold: true,
  utf8: undefined,
  json: false,
  fileValues: false,
  duplicates: "warn",
  configDirectory: undefined,
  verbose: 0,
};

Deno.test("parseCommandLine() takes options as getopt does", () => {
  const table: [string[], Partial<CommandLine>][] = [
    [["-q", "k", "t:1"], {}],
    [["-qk", "t:1"], {}],
    [["-fq", "k", "t:1"], { fold: false }],
    [["-fjqk", "t:1"], { fold: false, json: true }],
    [["-d", "k", "t:1", "t:2"], { action: "delete", tables: ["t:1", "t:2"] }],
    [["-i", "t:1"], { action: "load", key: "" }],
    [["-s", "--", "t:1"], { action: "list", key: "" }],
    [["-q", "-", "t:1"], { key: "-" }],
    [["-q", "-x", "t:1"], { key: "-x" }],
    [["-q", "--", "t:1"], { key: "--" }],
    [["-q", "--help", "t:1"], { key: "--help" }],
    [["-q", "", "t:1"], { key: "" }],
    [["-q", "a=b.c", "t:1"], { key: "a=b.c" }],
    [["-q", "true", "t:1"], { key: "true" }],
    [["-q", "1e3", "t:1"], { key: "1e3" }],
    [["-q", "a\nb", "t:1"], { key: "a\nb" }],
    [["-q", "__proto__", "t:1"], { key: "__proto__" }],
    [["-c", "/a", "-c", "/b", "-q", "k", "t:1"], { configDirectory: "/b" }],
    [["-vvv", "-v", "-q", "k", "t:1"], { verbose: 4 }],
    [["-u", "-q", "k", "t:1"], { utf8: false }],
    [["-U", "-q", "k", "t:1"], { utf8: true }],
    [["-Fqk", "t:1"], { fileValues: true }],
    [["-rNnop", "-q", "k", "t:1"], { duplicates: "replace" }],
    [["-w", "-q", "k", "t:1"], { duplicates: "ignore" }],
    [["-hq", "-", "t:1"], {
      key: "-",
      message: { headers: true, body: false, mime: false },
      utf8: false,
    }],
    [["-bmU", "-q-", "t:1"], {
      key: "-",
      message: { headers: false, body: true, mime: true },
      utf8: true,
    }],
    [["-m", "-q", "-", "t:1"], {
      key: "-",
      message: { headers: false, body: false, mime: true },
    }],
    [["--help"], { action: "help", key: "", tables: [] }],
    [["--version", "t:1"], { action: "version", key: "" }],
  ];
  for (const [args, expected] of table) {
    assertEquals(
      parseCommandLine(args),
      { ...plain, ...expected },
      args.join(" "),
    );
  }
});

Deno.test("parseCommandLine() says what makes no sense", () => {
  const table: [string[], string][] = [
    [[], "nothing to do"],
    [["t:1"], "nothing to do"],
    [["-q"], "-q needs a value"],
    [["-q", "k"], "no table"],
    [["-x", "t:1"], "unknown option -x"],
    [["-qk", "-Z"], "unknown option -Z"],
    [["--nosuch"], "unknown option --nosuch"],
    [["--no-f", "-q", "k", "t:1"], "unknown option --no-f"],
    [["-q", "a", "-q", "b", "t:1"], "only one of"],
    [["-q", "a", "-d", "b", "t:1"], "only one of"],
    [["-q", "a", "-s", "t:1"], "only one of"],
    [["-is", "t:1"], "only one of"],
    [["-d", "a", "-i", "t:1"], "only one of"],
    [["-q", "k", "t:1", "-f"], "options come before the tables: -f"],
    [["-h", "-q", "k", "t:1"], 'only with "-q -"'],
    [["-m", "-d", "-", "t:1"], 'only with "-q -"'],
    [["-bs", "t:1"], 'only with "-q -"'],
    [["-bmi", "t:1"], 'only with "-q -"'],
    [["-i", "t:1", "t:2"], "-i takes one table"],
    [["-s", "t:1", "t:2"], "-s takes one table"],
  ];
  for (const [args, message] of table) {
    assertThrows(() => parseCommandLine(args), UsageError, message);
  }
});

Deno.test("plainLookup() takes -q KEY TABLE… as the parser does, and nothing else", () => {
  for (
    const args of [["-q", "k", "t:1"], ["-q", "-", "t:1", "t:2"], [
      "-q",
      "",
      "t:1",
    ], ["-q", "-x", "t"]]
  ) {
    assertEquals(plainLookup(args), parseCommandLine(args));
  }
  for (
    const args of [
      [],
      ["-q"],
      ["-q", "k"],
      ["-qk", "t:1"],
      ["-d", "k", "t:1"],
      ["-q", "k", "t:1", "-f"],
      ["-q", "k", "--", "t:1"],
      ["--", "-q", "k", "t:1"],
    ]
  ) {
    assertEquals(plainLookup(args), undefined);
  }
});
