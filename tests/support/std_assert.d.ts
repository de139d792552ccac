// Types of the part of @std/assert that the tests use: its npm copy has none.

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg?: string): asserts expr;
/** Fails unless both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
/** Fails when both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void;
/** Fails unless `actual` matches. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void;
/** Fails unless `fn` throws. */
export function assertThrows(fn: () => unknown): unknown;
/** Fails unless `fn` throws an `ErrorClass` whose message has `msgIncludes`. */
export function assertThrows<E extends Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any -- any parameters, as with instanceof
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
): E;
/** Fails unless `fn` rejects. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
): Promise<unknown>;
/** Fails unless `fn` rejects with an `ErrorClass` whose message has `msgIncludes`. */
export function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- any parameters, as with instanceof
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
): Promise<E>;
