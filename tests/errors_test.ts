import * as errors from "../lib/errors.ts";
import * as main from "../mod.ts";
import { assert, assertEquals } from "./support/assert.ts";

// What two copies of the package in one program are to each other.
const copy: typeof errors = await import(
  new URL("../lib/errors.ts?copy", import.meta.url).href
);

const made: Record<string, (from: typeof errors) => Error> = {
  CONFIG: (from) => new from.ConfigError("m"),
  NOT_UTF8: (from) => new from.NotUtf8Error("t", "k", new Uint8Array()),
  TEMPORARY: (from) => new from.TemporaryError("m"),
  NO_ANSWER: (from) => new from.NoAnswerError("m"),
  READ_ONLY: (from) => new from.ReadOnlyError("m"),
  CLOSED: (from) => new from.ClosedError("t"),
};

Deno.test("errors of one copy of the package are recognised by another", () => {
  assert(copy.ConfigError !== errors.ConfigError);
  const classes = Object.values(errors).filter((one) =>
    typeof one === "function" && "code" in one
  ) as (typeof errors.TableError)[];
  assertEquals(
    classes.map(({ code }) => code).sort(),
    ["TABLE", ...Object.keys(made)].sort(),
  );
  for (const [code, make] of Object.entries(made)) {
    const own = make(errors);
    const other = make(copy);
    for (const Class of classes) {
      assertEquals(
        other instanceof Class,
        own instanceof Class,
        `${code} and ${Class.code}`,
      );
    }
    assertEquals((own as errors.TableError).code, code);
    assertEquals(own.name, other.name);
  }
});

Deno.test("a class that a program derives from an error has instances of its own", () => {
  class OwnError extends errors.TemporaryError {}
  assert(new OwnError("m") instanceof errors.TemporaryError);
  assert(new OwnError("m") instanceof OwnError);
  assert(!(new errors.TemporaryError("m") instanceof OwnError));
  for (const value of [undefined, null, "m", new Error("m")] as unknown[]) {
    assert(!(value instanceof main.TableError));
    assert(!(value instanceof OwnError));
  }
});

Deno.test("every error that a table throws is exported", () => {
  for (const [name, value] of Object.entries(errors)) {
    if (typeof value !== "function" || !("code" in value)) continue;
    assertEquals((main as Record<string, unknown>)[name], value, name);
  }
});
