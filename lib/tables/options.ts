import {
  isOfKind,
  type Kind,
  kindOf,
  type OptionKind,
  requireKind,
  requireSignal,
} from "../arguments.ts";
import { nearestName } from "../bytes/nearest_name.ts";
import type { TlsOptions } from "../socket/socket.ts";

/** The options of a function, and what each must be. */
export type OptionKinds<Options> = Readonly<Record<keyof Options, OptionKind>>;

/**
 * Throws a `TypeError`, with a suggestion, when one of these options does not
 * exist, and when one is not of its kind. Without it, a misspelt option would
 * silently have no effect. `caller` is the function that has the options.
 */
export function requireOptions(
  caller: string,
  options: object,
  kinds: Readonly<Record<string, OptionKind>>,
): void {
  requireKind(`${caller}: options`, options, "object");
  const names = Object.keys(kinds);
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(kinds, name)) {
      if (value === undefined) continue;
      if (name === "tls") requireTls(value);
      else if (name === "signal") requireSignal(name, value);
      else requireOption(name, value, kinds[name]);
      continue;
    }
    const suggestion = nearestName(name, names) ??
      names.find((other) => name.startsWith(other));
    throw new TypeError(
      `There is no option "${name}": ` +
        (suggestion === undefined
          ? `there are ${names.join(", ")}`
          : `did you mean "${suggestion}"?`),
    );
  }
}

function requireOption(name: string, value: unknown, kind: OptionKind): void {
  if (typeof kind === "string") return requireKind(name, value, kind);
  if (isOfKind(value, kind)) return;
  throw new TypeError(
    `${name} must be ${kind.join(" or ")}: ` +
      (typeof value === "string" ? `"${value}"` : kindOf(value)),
  );
}

/** The members of `tls`, and their types. */
const tlsMembers = {
  caCerts: "string",
  cert: "string",
  key: "string",
  serverName: "string",
  verify: "boolean",
} satisfies Record<keyof TlsOptions, Kind>;

// What the same is called in node:tls.
const otherNames: Record<string, keyof TlsOptions> = {
  ca: "caCerts",
  rejectUnauthorized: "verify",
};

/** Throws a `TypeError` unless the members of `tls` exist and are of their types. */
export function requireTls(tls: unknown): void {
  const names = Object.keys(tlsMembers) as (keyof TlsOptions)[];
  if (kindOf(tls) !== "object") {
    throw new TypeError(
      `tls must be an object with ${names.join(", ")}: ${kindOf(tls)}`,
    );
  }
  for (const [name, value] of Object.entries(tls as object)) {
    if (!Object.hasOwn(tlsMembers, name)) {
      const meant = otherNames[name] ?? nearestName(name, names);
      throw new TypeError(
        `There is no tls.${name}: ` +
          (meant === undefined
            ? `there are ${names.join(", ")}`
            : `did you mean tls.${meant}?`),
      );
    }
    if (value === undefined) continue;
    requireKind(`tls.${name}`, value, tlsMembers[name as keyof TlsOptions]);
  }
  const { cert, key } = tls as TlsOptions;
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined
      ? ["key", "cert"]
      : ["cert", "key"];
    throw new TypeError(`There is tls.${there}: set tls.${missing} too`);
  }
}
