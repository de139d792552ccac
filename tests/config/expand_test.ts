import { expandParameters } from "../../lib/config/expand.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";

const values: Record<string, string> = {
  host: "mc",
  port: "11211",
  server: "inet:$host:${port}",
  empty: "",
  loop: "$loop",
  nine: "9",
  ten: "10",
  asked: "${asked?x$asked}",
  braced: "${host?{x$braced}}",
  denied: "${empty:x$denied}",
  other: "${empty:{x$other}}",
  compared: "${{$compared} == {x}}",
};
const expand = (text: string) => expandParameters(text, (name) => values[name]);

Deno.test("expandParameters() expands what postconf(5) describes", () => {
  const table: [string, string][] = [
    ["plain", "plain"],
    ["$host", "mc"],
    ["${host}", "mc"],
    ["$(host)", "mc"],
    ["$host:$port", "mc:11211"],
    ["$server", "inet:mc:11211"],
    ["$nosuch", ""],
    ["a$$b", "a$b"],
    ["$host.example", "mc.example"],
    ["${host?yes}", "yes"],
    ["${host:no}", ""],
    ["${empty?yes}", ""],
    ["${empty:no}", "no"],
    ["${nosuch:no $host}", "no mc"],
    ["${host?{yes}:{no}}", "yes"],
    ["${empty?{yes}:{no}}", "no"],
    ["${ empty ? {yes} : {no} }", "no"],
    ["${host?{${port?{$port}:{x}}}:{no}}", "11211"],
    ["${host?a:b}", "a:b"],
    ["$(host?(x))", "(x)"],
    ["${{$host} == {mc} ? {same} : {other}}", "same"],
    ["${{$nine} < {$ten} ? {less} : {more}}", "less"],
    ["${{a} > {b} ? {x}}", ""],
    ["${{b} > {a} ? {x}}", "x"],
    ["${{b} == {a} ? {x}}", ""],
    ["${{a} != {b}}", "true"],
    ["${{a} <= {b}:no}", ""],
    ["${{3.10} <level {3.9} ? {less} : {more}}", "more"],
    ["${{3} ==level {3.0.0} ? {same} : {other}}", "same"],
    ["${{$ten} >=level {1} ? {yes} : {no}}", "yes"],
  ];
  for (const [text, expected] of table) {
    assertEquals(expand(text), expected, text);
  }
});

Deno.test("expandParameters() says what is wrong", () => {
  const table: [string, string][] = [
    ["${host", `missing "}"`],
    ["$(host", `missing ")"`],
    ["$", `no name after "$"`],
    ["$.", `no name after "$"`],
    ["${}", "no name"],
    ["${a-b}", `"?" or ":" expected`],
    ["$loop", "refers to itself"],
    ["$asked", "refers to itself"],
    ["$braced", "refers to itself"],
    ["$denied", "refers to itself"],
    ["$other", "refers to itself"],
    ["$compared", "refers to itself"],
    ["${host?{a} b}", `":" expected`],
    ["${empty?{a}:{b} c}", "unexpected"],
    ["${host?{a}:{b} c}", "unexpected"],
    ["${host:{b}c}", "unexpected"],
    ["${empty:{b}c}", "unexpected"],
    ["${{1} == {1} ? {a} : {b}c}", "unexpected"],
    ["${{1} == {1} : {b} {c}}", "unexpected"],
    ["${{a} = {b}}", "operators are =="],
    ["${{a} <level {1} ? {x} : {y}}", '"a" is no level'],
  ];
  for (const [text, message] of table) {
    assertThrows(() => expand(text), RangeError, message);
  }
});

Deno.test("expandParameters() nests as deep as postmap does, and compares as it does", async () => {
  const nested = (form: string, depth: number) => {
    let text = "z";
    for (let level = 0; level < depth; level++) {
      text = form.replace("INNER", () => text);
    }
    return text;
  };
  const chain = (depth: number) => {
    const lines = [`c${depth} = z\n`];
    for (let at = 0; at < depth; at++) lines.push(`c${at} = $c${at + 1}\n`);
    return lines.join("");
  };
  // What is to be expanded, and what comes out; undefined where it is refused.
  const table: [more: string, text: string, expected: string | undefined][] = [
    [chain(99), "$c0", "z"],
    [chain(100), "$c0", undefined],
    ["loop = $loop\n", "${nosuch?$loop}x", "x"],
    ["loop = $loop\n", "$loop", undefined],
    // What every JavaScript object has is no parameter.
    ["", "x$toString${constructor}$__proto__", "x"],
    ["", nested("${b?{INNER}}", 100), "z"],
    ["", nested("${b?{INNER}}", 101), undefined],
    ["", nested("${nosuch:INNER}", 100), "z"],
    ["", nested("${{1} == {1} ? {INNER}}", 101), undefined],
    ["", "${{é} < {\uffff} ? {less} : {more}}", "less"],
    ["", "${{\uffff} < {\u{1f600}} ? {less} : {more}}", "less"],
    ["", "${{9007199254740993} == {9007199254740992}?{same}:{other}}", "other"],
    ["", "${{9223372036854775807} > {007}?{more}}", "more"],
    ["", "${{9223372036854775808} == {9223372036854775808}?{same}}", undefined],
    ["", "${{99999999999999999999} == {5}?{same}:{other}}", undefined],
    ["", "${{10} < {9} ? {less} : {more}}", "more"],
    ["", "${{10x} < {9} ? {less} : {more}}", "less"],
  ];
  // What postmap refuses, it waits a second for.
  await atOnce(4, table, async ([more, text, expected]) => {
    await using folder = await Folder.make();
    const config = await folder.mailConfiguration(
      `b = 1\n${more}t_memcache = unix:/nonexistent\nt_backup = static:${text}\n`,
    );
    for (const program of [runPostmap, runCli]) {
      const { code, stdout } = await program(
        ["-c", config, "-q", "k", "memcache:t"],
      );
      const about = `${program.name}: ${text.slice(0, 60)}`;
      assertEquals(code === 0 ? stdout.trim() : undefined, expected, about);
    }
  });
});
