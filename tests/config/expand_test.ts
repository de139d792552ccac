import { expandParameters } from "../../lib/config/expand.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const values: Record<string, string> = {
  host: "mc",
  port: "11211",
  server: "inet:$host:${port}",
  empty: "",
  loop: "$loop",
  nine: "9",
  ten: "10",
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
    ["${host?{a} b}", `":" expected`],
    ["${empty?{a}:{b} c}", "unexpected"],
    ["${{a} = {b}}", "operators are =="],
    ["${{a} <level {1} ? {x} : {y}}", '"a" is no level'],
  ];
  for (const [text, message] of table) {
    assertThrows(() => expand(text), RangeError, message);
  }
});
