import { assertEquals, assertThrows } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { compiledAtOnce } from "./eager.ts";

const sample = `
export const early = hoisted(2);
function hoisted(x) { return twice(x) + 1; }
function twice(x) { return 2 * x; }
class Base {
  #secret = 1;
  static count = 0;
  get secret() { return this.#secret; }
  read() { Base.count++; return this.#add(1); }
  #add(n) { return this.#secret += n; }
}
class Derived extends Base {
  #secret = 10;
  read() { return super.read() + this.own(); }
  own() { return [1].map(() => this.#secret)[0]; }
  async later(x = this.#secret) {
    class Inner { #secret = 100; read() { return this.#secret; } }
    return await x + new Inner().read() + this.#secret;
  }
  *[Symbol.iterator]() { yield this.#secret; }
  static make() { return new Derived(); }
}
export { Base, Derived };
export async function all() {
  const one = Derived.make();
  return [early, one.read(), one.secret, one.own(), await one.later(),
    ...one, Base.count];
}
`;

async function run(code: string): Promise<unknown> {
  await using folder = await Folder.make();
  const path = await folder.write("sample.mjs", code);
  const { all } = await import(path);
  return await all();
}

Deno.test("functions that are compiled at once do the same", async () => {
  const { code, map } = compiledAtOnce(sample, () => true);
  const atOnce = (text: string) =>
    [...text.matchAll(/= \((?:async )?function/g)].length;
  assertEquals(atOnce(sample), 0);
  // hoisted, twice, read, #add, own, later
  assertEquals(atOnce(code), 6);
  assertEquals(await run(code), await run(sample));
  assertEquals(map.mappings.length > 0, true);
});

Deno.test("only functions that are called are compiled at once", () => {
  const at = sample.indexOf("function twice");
  const { code } = compiledAtOnce(sample, (start) => start === at);
  assertEquals(code.startsWith("var twice = (function twice(x) {"), true);
  assertEquals(code.includes("prototype"), false);
});

Deno.test("strict code stays strict", () => {
  const strict = '"use strict"; function f() { return this; } f();';
  const { code } = compiledAtOnce(strict, () => true);
  assertEquals(code.startsWith('"use strict";'), true);
  assertEquals(code.includes("var f = (function f()"), true);
});

Deno.test("what must stay private is not made public", () => {
  const code = "class A { #a; static is(x) { return #a in x; } }";
  assertThrows(() => compiledAtOnce(code, () => true), Error, "stays private");
});
