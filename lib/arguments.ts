/** What a value must be. */
export type Kind =
  | "array"
  | "boolean"
  | "function"
  | "number"
  | "object"
  | "string";

/** What an option must be: of a kind, or one of these words. */
export type OptionKind = Kind | readonly string[];

/** Whether an option is what it must be. */
export function isOfKind(value: unknown, kind: OptionKind): boolean {
  return typeof kind === "string"
    ? kindOf(value) === kind
    : kind.some((word) => word === value);
}

/**
 * Throws a `TypeError` unless an argument is of its kind. `what` names it in the
 * message, with the function that takes it: `openTable: name`. A program in JavaScript
 * would otherwise see an error of the runtime from deep inside, or none.
 */
export function requireKind(what: string, value: unknown, kind: Kind): void {
  if (isOfKind(value, kind)) return;
  // A value is not shown: it may be a password.
  throw new TypeError(
    `${what} must be ${withArticle(kind)}: ${kindOf(value)}`,
  );
}

/** Throws a `TypeError` unless an argument has a method. */
export function requireMethod(
  what: string,
  value: unknown,
  method: string,
): void {
  const found = (value as Record<string, unknown> | null | undefined)?.[method];
  if (typeof found === "function") return;
  throw new TypeError(
    `${what} must be an object with ${method}(): ${kindOf(value)}`,
  );
}

/** Throws a `TypeError` unless an argument is an AbortSignal, of any realm. */
export function requireSignal(what: string, value: unknown): void {
  const { throwIfAborted } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof throwIfAborted === "function") return;
  throw new TypeError(`${what} must be an AbortSignal: ${kindOf(value)}`);
}

/** Throws a `TypeError` unless an argument is the address of a server. */
export function requireEndpoint(caller: string, endpoint: unknown): void {
  requireKind(`${caller}: endpoint`, endpoint, "object");
  const { transport } = endpoint as { transport?: unknown };
  if (transport === "tcp" || transport === "unix") return;
  throw new TypeError(
    `${caller}: endpoint.transport must be "tcp" or "unix": ` +
      (typeof transport === "string" ? `"${transport}"` : kindOf(transport)),
  );
}

/** Throws a `TypeError` unless an argument can be iterated. */
export function requireIterable(what: string, value: unknown): void {
  // A string is iterable, but nobody means its characters.
  if (
    typeof value === "object" && value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  ) return;
  throw new TypeError(
    `${what} must be an iterable, such as an array: ${kindOf(value)}`,
  );
}

/** Throws a `TypeError` unless a key or a value of a table is a string. */
export function requireText(
  table: string,
  what: "key" | "value",
  text: unknown,
): void {
  // The name of the argument takes longer to make than the check.
  if (typeof text !== "string") {
    requireKind(`${table}: a ${what}`, text, "string");
  }
}

/** Throws a `TypeError` unless an entry for a table is an object. */
export function requireEntry(table: string, entry: unknown): void {
  if (typeof entry !== "object" || entry === null) {
    requireKind(`${table}: an entry`, entry, "object");
  }
}

/** What a value is, for a message. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function withArticle(kind: Kind): string {
  return kind === "array" || kind === "object" ? `an ${kind}` : `a ${kind}`;
}
