import { bracedLength, splitItems } from "./name_value.ts";

// Types that open the table behind their name.
const wrappers = /^(?:(?:proxy|debug):)+/;
const combinations = /^(?:pipemap|unionmap):/;
const deepest = 20;

/** A table that a value names. */
export interface TableName {
  /** Its name, `type:name`. */
  readonly name: string;
  /** Whether proxymap(8) opens it, because it is behind `proxy:`. */
  readonly proxied: boolean;
}

/**
 * The tables of one type in the value of a parameter, as they stand there:
 * in lists, behind `proxy:`, in `pipemap:{…}` and `unionmap:{…}`, in braces of any
 * kind (up to 20 within each other), and in the parameters of another such table.
 *
 * `$` should be expanded before.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tableNames } from "./table_names.ts";
 *
 * const value = "check_client_access proxy:memcache:/a, unionmap:{memcache:b,hash:c}";
 * assertEquals([...tableNames("memcache", value)], [
 *   { name: "memcache:/a", proxied: true },
 *   { name: "memcache:b", proxied: false },
 * ]);
 * ```
 */
export function tableNames(
  type: string,
  value: string,
): Generator<TableName> {
  return inList({ type, proxied: false, depth: 0 }, value);
}

/** Where a name stands. */
interface Place {
  readonly type: string;
  readonly proxied: boolean;
  readonly depth: number;
}

function* inList(place: Place, value: string): Generator<TableName> {
  if (place.depth > deepest) return;
  for (const item of splitItems(value)) yield* inItem(place, item);
}

function* inItem(
  { type, proxied: outer, depth }: Place,
  item: string,
): Generator<TableName> {
  // "!" negates an item of a list. `name=value` is a parameter of a table.
  const whole = item.replace(/^(?:!+|\w+=)/, "");
  const name = whole.replace(wrappers, "");
  const proxied = outer ||
    whole.slice(0, whole.length - name.length).includes("proxy:");
  const start = name.indexOf("{");
  const length = start < 0 ? 0 : bracedLength(name.slice(start));
  if (name.startsWith(`${type}:`)) {
    const isBraced = start === type.length + 1;
    const end = isBraced ? start + length : name.length;
    if (end === type.length + 1) return;
    yield { name: name.slice(0, end), proxied };
    if (!isBraced) return;
  } else if (start !== 0 && !combinations.test(name)) return;
  if (length === 0) return;
  const inner = name.slice(start + 1, start + length - 1);
  yield* inList({ type, proxied, depth: depth + 1 }, inner);
}

/**
 * The tables that a value of proxy_read_maps or proxy_write_maps approves: those with
 * `proxy:`, here without it, as proxymap(8) compares them. `$` should be expanded
 * before.
 *
 * Implements "proxy_read_maps" of postconf(5).
 */
export function* approvedTables(value: string, depth = 0): Generator<string> {
  if (depth > deepest) return;
  for (const item of splitItems(value)) {
    // `{ type:name, option=value }` names a table in its first item.
    const name = item.startsWith("{")
      ? splitItems(item.slice(1, Math.max(bracedLength(item) - 1, 1)))[0] ?? ""
      : item;
    if (combinations.test(name)) {
      const inner = name.slice(name.indexOf(":") + 1);
      const length = bracedLength(inner);
      if (length > 0) {
        yield* approvedTables(inner.slice(1, length - 1), depth + 1);
      }
    } else if (name.startsWith("proxy:")) {
      yield withoutProxy(name);
    }
  }
}

/** The name of the table that proxymap(8) opens for a name with `proxy:`. */
export function withoutProxy(name: string): string {
  return name.replace(/^(?:proxy:)+/, "");
}
