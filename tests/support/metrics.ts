import { assert } from "./assert.ts";

/** The samples of metrics in OpenMetrics or Prometheus text, by name and labels. */
export function samples(text: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const line of text.trimEnd().split("\n")) {
    if (line.startsWith("#")) continue;
    const space = line.lastIndexOf(" ");
    const name = line.slice(0, space);
    assert(!(name in found), `twice: ${name}`);
    found[name] = Number(line.slice(space + 1).replace("Inf", "Infinity"));
  }
  return found;
}
