import { parseMainCf } from "../../lib/config/main_cf.ts";
import { ConfigError } from "../../lib/errors.ts";
import { isByteWarning } from "../../lib/config/logical_lines.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

function parse(text: string): [Record<string, string>, string[]] {
  const warnings: string[] = [];
  const settings = parseMainCf(text, "t.cf", (line) => warnings.push(line));
  const values = [...settings].map(([name, { value }]) => [name, value]);
  return [Object.fromEntries(values), warnings];
}

Deno.test("parseMainCf() reads names and values", () => {
  const table: [string, Record<string, string>][] = [
    ["", {}],
    ["a=b", { a: "b" }],
    ["a = b", { a: "b" }],
    ["a\t=\tb c \t\n", { a: "b c" }],
    ["a = b = c", { a: "b = c" }],
    ["a =", { a: "" }],
    ["a = b\r\nc = d\r\n", { a: "b", c: "d" }],
    ["# a = b\n  # c\n\n \t\na = $x # y", { a: "$x # y" }],
    ["a = b\n c\n\td\n", { a: "b c\td" }],
    ["a = b\n# comment\n c\n\n  \n d\ne = f", { a: "b c d", e: "f" }],
    ["a =\n b,\n c", { a: "b, c" }],
    ["a = ünï\n", { a: "ünï" }],
  ];
  for (const [text, expected] of table) {
    assertEquals(parse(text), [expected, []], JSON.stringify(text));
  }
});

Deno.test("parseMainCf() lets the last of two win, with one warning", () => {
  const [values, warnings] = parse("a = 1\nb = 2\na = 3\n");
  assertEquals(values, { a: "3", b: "2" });
  assertEquals(warnings, ['t.cf, line 3: "a = 3" replaces "1" of line 1']);
});

Deno.test("parseMainCf() drops a continuation of nothing with a warning", () => {
  const [values, warnings] = parse("  a = 1\n  b\nc = 2\n");
  assertEquals(values, { c: "2" });
  assertEquals(warnings.length, 1);
  assertEquals(warnings[0].startsWith("t.cf, line 1: "), true);
});

Deno.test("parseMainCf() names file and line of a line that is none", () => {
  const table: [string, number, string][] = [
    ["a = 1\n\nwrong\n", 3, 'no "=" after the name: "wrong"'],
    ["a b = c\n", 1, 'no "=" after the name'],
    ["a = 1\n= c\n", 2, 'no name before "="'],
  ];
  for (const [text, line, message] of table) {
    const error = assertThrows(() => parse(text), ConfigError, message);
    assertEquals([error.file, error.line], ["t.cf", line]);
    assertEquals(error.message.startsWith(`t.cf, line ${line}: `), true);
  }
});

Deno.test("parseMainCf() takes a byte order mark for part of a name, and warns", () => {
  const [values, warnings] = parse("\ufeffa = 1\nb = \ufeff2\n\ufeffc = 3\n");
  assertEquals(values, { "\ufeffa": "1", b: "\ufeff2", "\ufeffc": "3" });
  assertEquals(
    warnings.map((line) => line.replace(/ is part of.*looks like/, "")),
    [1, 3].map((line) =>
      `t.cf, line ${line}: an invisible byte order mark (U+FEFF) ` +
      `"${line === 1 ? "a" : "c"}", as it is for Postfix: ` +
      "save the file as UTF-8 without a byte order mark"
    ),
  );
  assert(warnings.every(isByteWarning));
  for (const text of ["\ufeff# comment\na = 1", "\ufeff\na = 1"]) {
    const error = assertThrows(() => parse(text), ConfigError, "U+FEFF");
    assertEquals(error.line, 1);
  }
  assertThrows(() => parse("\udcff\udcfea\0 \0=\0"), ConfigError, "UTF-16");
});

Deno.test("parseMainCf() ends a line at its null byte, and warns", () => {
  const [values, warnings] = parse("a = 1\0 2\0 5\n 3\nb = 4\n");
  assertEquals(values, { a: "1", b: "4" });
  assertEquals(warnings, [
    "t.cf, line 1: it has a null byte: ignoring what is behind it",
  ]);
  assertThrows(() => parse("\0a = 1\n"), ConfigError, "line 1: no name");
});

Deno.test("parseMainCf() shows no password in its messages", () => {
  const wrong = [
    "password s3cret",
    "password: s3cret",
    "aliases_password s3cret = x",
    "password\n  s3cret\n",
    "= password s3cret",
    "PASSWORD s3cret",
    "passwd s3cret",
    "pasword s3cret",
    "password_fil s3cret",
    "password =\ns3cret\n",
    "user joe password s3cret",
  ];
  for (const text of wrong) {
    const { message } = assertThrows(() => parse(text), ConfigError);
    assert(!message.includes("s3cret"), message);
    assert(message.startsWith("t.cf, line "), message);
  }
  assertThrows(
    () => parse("password s3cret"),
    ConfigError,
    't.cf, line 1: no "=" after the name: "password (not shown)"',
  );
  const warned = [
    "  password = s3cret\n",
    "password = s3cret1\npassword = s3cret2\n",
  ];
  for (const text of warned) {
    const [, [warning]] = parse(text);
    assert(!warning.includes("s3cret"), warning);
  }
  // What is no secret is shown.
  assertThrows(
    () => parse("password_file /etc/secret"),
    ConfigError,
    '"password_file /etc/secret"',
  );
  assertThrows(() => parse("a =\nwrong"), ConfigError, '"wrong"');
});
