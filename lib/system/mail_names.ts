import { expandParameters, type ParameterLookup } from "../config/expand.ts";

/** The domain of a host whose name has none. */
const noDomain = "localdomain";

/**
 * Expands a value of main.cf as {@linkcode expandParameters} does. Where `values` has
 * no `myhostname` or `mydomain`, Postfix makes them of the name of this host, and each
 * of the other. Without a `hostName` they stay empty.
 *
 * Implements "myhostname" and "mydomain" of postconf(5).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { expandMailValue } from "./mail_names.ts";
 *
 * const values = new Map([["myhostname", "mx.example.com"]]);
 * const lookup = (name: string) => values.get(name);
 * assertEquals(expandMailValue("$mydomain:%s", lookup, "mx"), "example.com:%s");
 * ```
 */
export function expandMailValue(
  text: string,
  values: ParameterLookup,
  hostName: string | undefined,
): string {
  const lookup = (name: string): string | undefined => {
    const value = values(name);
    if (value !== undefined) return value;
    if (name === "myhostname") return myHostName(values, hostName);
    if (name === "mydomain") return myDomain(values, hostName);
    return undefined;
  };
  return expandParameters(text, lookup);
}

function myHostName(
  values: ParameterLookup,
  hostName: string | undefined,
): string | undefined {
  if (hostName === undefined || hostName.includes(".")) return hostName;
  const isSet = values("mydomain") !== undefined;
  return `${hostName}.${isSet ? "$mydomain" : noDomain}`;
}

function myDomain(
  values: ParameterLookup,
  hostName: string | undefined,
): string | undefined {
  const written = values("myhostname") ?? myHostName(values, hostName);
  if (written === undefined) return undefined;
  // A $mydomain in it is empty, as it is for Postfix.
  const whole = expandParameters(
    written,
    (name) => name === "mydomain" ? "" : values(name),
  );
  const dot = whole.indexOf(".");
  const domain = dot < 0 ? noDomain : whole.slice(dot + 1);
  if (domain === "") {
    throw new RangeError("mydomain is empty: set it, or a whole myhostname");
  }
  return domain;
}
