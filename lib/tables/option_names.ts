import { nearestName } from "../bytes/nearest_name.ts";
import type { TlsOptions } from "../socket/socket.ts";

/**
 * Throws a `TypeError`, with a suggestion, when one of these options does not
 * exist, and when one of those of the log-in and of TLS is not of its type. Without
 * it, a misspelt option would silently have no effect.
 */
export function requireOptionNames(
  options: object,
  known: Readonly<Record<string, true>>,
): void {
  const names = Object.keys(known);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    const suggestion = nearestName(name, names) ??
      names.find((other) => name.startsWith(other));
    throw new TypeError(
      `There is no option "${name}": ` +
        (suggestion === undefined
          ? `there are ${names.join(", ")}`
          : `did you mean "${suggestion}"?`),
    );
  }
  requireAccess(options);
}

/** The members of `tls`, and their types. */
const tlsMembers = {
  caCerts: "string",
  cert: "string",
  key: "string",
  serverName: "string",
  verify: "boolean",
} satisfies Record<keyof TlsOptions, string>;

// What the same is called in node:tls.
const otherNames: Record<string, keyof TlsOptions> = {
  ca: "caCerts",
  rejectUnauthorized: "verify",
};

/** Throws a `TypeError` unless `user`, `password` and `tls` are of their types. */
export function requireAccess(
  options: { user?: unknown; password?: unknown; tls?: unknown },
): void {
  const { tls, ...texts } = options;
  for (const name of ["user", "password"] as const) {
    requireType(name, texts[name], "string");
  }
  if (tls === undefined) return;
  const names = Object.keys(tlsMembers) as (keyof TlsOptions)[];
  if (typeof tls !== "object" || tls === null || Array.isArray(tls)) {
    throw new TypeError(
      `tls must be an object with ${names.join(", ")}: ${kindOf(tls)}`,
    );
  }
  for (const [name, value] of Object.entries(tls)) {
    if (!Object.hasOwn(tlsMembers, name)) {
      const meant = otherNames[name] ?? nearestName(name, names);
      throw new TypeError(
        `There is no tls.${name}: ` +
          (meant === undefined
            ? `there are ${names.join(", ")}`
            : `did you mean tls.${meant}?`),
      );
    }
    requireType(`tls.${name}`, value, tlsMembers[name as keyof TlsOptions]);
  }
  const { cert, key } = tls as TlsOptions;
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined
      ? ["key", "cert"]
      : ["cert", "key"];
    throw new TypeError(`There is tls.${there}: set tls.${missing} too`);
  }
}

function requireType(name: string, value: unknown, type: string): void {
  if (value === undefined || typeof value === type) return;
  // A password is not shown, whatever it is.
  throw new TypeError(`${name} must be a ${type}: ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
