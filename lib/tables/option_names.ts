import { nearestName } from "../bytes/nearest_name.ts";

/**
 * Throws a `TypeError` when one of these options does not exist, and says which
 * may have been meant: a misspelt option would have no effect, silently.
 */
export function requireOptionNames(
  options: object,
  known: Readonly<Record<string, true>>,
): void {
  const names = Object.keys(known);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    const meant = nearestName(name, names) ??
      names.find((other) => name.startsWith(other));
    throw new TypeError(
      `There is no option "${name}": ` +
        (meant === undefined
          ? `there are ${names.join(", ")}`
          : `did you mean "${meant}"?`),
    );
  }
}
