import { nearestName } from "../bytes/nearest_name.ts";

/**
 * Throws a `TypeError`, with a suggestion, when one of these options does not
 * exist. Without it, a misspelt option would silently have no effect.
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
}
