import { parseCommandLine } from "../../lib/cli/arguments.ts";
import {
  type CommandLine,
  plainLookup,
  UsageError,
} from "../../lib/cli/command_line.ts";
import { explainUnknownWord } from "../../lib/cli/mistakes.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";

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
    [["-rw", "-q", "k", "t:1"], { duplicates: "ignore" }],
    [["-w", "-r", "-q", "k", "t:1"], { duplicates: "replace" }],
    [["-rwr", "-q", "k", "t:1"], { duplicates: "replace" }],
    [["-hq", "-", "t:1"], {
      key: "-",
      message: { headers: true, body: false, mime: false },
      utf8: false,
    }],
    [["-b", "-q-", "t:1"], {
      key: "-",
      message: { headers: false, body: true, mime: false },
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
    [["-V"], { action: "version", key: "", tables: [] }],
    [["-fV", "-q", "k", "t:1"], { action: "version", fold: false }],
    [["--help", "check"], { action: "help", key: "", tables: ["check"] }],
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

Deno.test("parseCommandLine() says what makes no sense, and what was meant", () => {
  const table: [string[], string][] = [
    [[], "nothing to do: give one of -q KEY, -d KEY, -i, -s; try --help"],
    [["-v"], "nothing to do: give one of"],
    [["-h"], "for help: --help"],
    [["-hh", "-h"], "nothing to do"],
    [["-q"], "-q needs a value: -q KEY"],
    [["-fc"], "-c needs a value: -c DIR"],
    [["-q", "k"], "no table: name at least one"],
    [
      ["-q", "hash:/a"],
      "no table: -q takes a key first: memcache-table -q KEY hash:/a",
    ],
    [["-d", "kv:a"], "-d takes a key first: memcache-table -d KEY kv:a"],
    [["-x", "t:1"], "unknown option -x; try --help"],
    [["-qk", "-Z"], "unknown option -Z; try --help"],
    [["-Q", "k", "t:1"], "unknown option -Q: did you mean -q KEY?"],
    [["--nosuch"], "unknown option --nosuch; try --help"],
    [["--hlep"], "unknown option --hlep: did you mean --help?"],
    [["-help"], "unknown option -help: did you mean --help?"],
    [["--h"], "unknown option --h: did you mean --help?"],
    [["--vers"], "unknown option --vers: did you mean --version?"],
    [["-version"], "unknown option -version: did you mean --version?"],
    [["--verbose"], "unknown option --verbose: did you mean -v?"],
    [["--quiery=k"], "unknown option --quiery: did you mean -q KEY?"],
    [["--q=k"], "unknown option --q: did you mean -q KEY?"],
    [["--json"], "unknown option --json: did you mean -j?"],
    [["--help=check"], "--help takes no value: --help=check"],
    [["--no-f", "-q", "k", "t:1"], "unknown option --no-f"],
    [["--__proto__"], "unknown option --__proto__; try --help"],
    [["-q", "a", "-q", "b", "t:1"], "only one of"],
    [["-q", "a", "-d", "b", "t:1"], "only one of"],
    [["-q", "a", "-s", "t:1"], "only one of"],
    [["-is", "t:1"], "only one of"],
    [["-d", "a", "-i", "t:1"], "only one of"],
    [
      ["-q", "k", "t:1", "-f"],
      "options come before the tables: memcache-table -q k -f t:1",
    ],
    [
      ["t:1", "-fq", "a b", "t:2", "-c/d", "-v"],
      "options come before the tables: memcache-table -fq 'a b' -c/d -v t:1 t:2",
    ],
    [
      ["-q", "--", "t:1", "-c", "/d"],
      "options come before the tables: memcache-table -q -- -c /d t:1",
    ],
    [["t:1", "-q"], "options come before the tables: memcache-table -q t:1"],
    [["-h", "-q", "k", "t:1"], 'only with "-q -"'],
    [["-m", "-d", "-", "t:1"], 'only with "-q -"'],
    [["-bs", "t:1"], 'only with "-q -"'],
    [["-bmi", "t:1"], 'only with "-q -"'],
    [["-i", "t:1", "t:2"], "-i takes one table"],
    [["-s", "t:1", "t:2"], "-s takes one table"],
    [["t:1"], "nothing to do with t:1: -q KEY looks a key up"],
    [
      ["hash:/etc/postfix/virtual"],
      "to store entries: memcache-table -i hash:/etc/postfix/virtual < /etc/postfix/virtual",
    ],
    [
      ["-c", "/d e", "memcache:x"],
      "memcache-table -i -c '/d e' memcache:x < FILE",
    ],
    [["memcahe:/x"], 'no table type "memcahe": did you mean memcache:/x?'],
    [
      ["-v", "check", "t:1"],
      "a subcommand comes first: memcache-table check -v t:1",
    ],
    [["t:1", "warm"], "a subcommand comes first: memcache-table warm t:1"],
  ];
  for (const [args, message] of table) {
    const error = assertThrows(() => parseCommandLine(args), UsageError);
    assertStringIncludes(error.message, message, args.join(" "));
  }
  for (
    const table of ["inline:{a=b}", "static:v", "texthash:/a", "regexp:/a"]
  ) {
    const error = assertThrows(() => parseCommandLine([table]), UsageError);
    assert(!/-[id]/.test(error.message), error.message);
  }
});

Deno.test("explainUnknownWord() says what was meant by a word that is no subcommand", () => {
  const table: [string[], string][] = [
    [["chek", "t:1"], 'no subcommand "chek": did you mean check?'],
    [["Warm", "t:1"], "did you mean warm?"],
    [["server"], "did you mean serve?"],
    [["hlep"], "did you mean help?"],
    [["clean"], "did you mean cleanup?"],
    [["query", "k", "t:1"], "did you mean -q KEY (look up KEY"],
    [["list", "t:1"], "did you mean -s (list the table"],
    [["delete", "k", "t:1"], "did you mean -d KEY"],
    [
      ["alice", "t:1"],
      "to look it up as a key: memcache-table -q alice t:1",
    ],
    [
      ["/etc/postfix/virtual"],
      "a table is type:name, such as memcache:/etc/postfix/aliases.cf, not /etc",
    ],
    [
      ["/etc/virtual", "-q", "k"],
      "options come before the tables: memcache-table -q k /etc/virtual",
    ],
    [
      ["foo"],
      "there are check, cleanup, serve, stats, sync, warm, help, version",
    ],
    [["foo", "bar"], "there are check"],
    [[""], 'there is no subcommand "": there are'],
    [["-"], 'there is no subcommand "-": there are'],
    [["toString"], "there are check"],
    [["x".repeat(100_000)], "there are check"],
  ];
  for (const [args, message] of table) {
    assertStringIncludes(explainUnknownWord(args), message, args.join(" "));
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
