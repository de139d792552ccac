import { bracedPairs, splitKeyValue } from "../config/name_value.ts";
import { isUtf8 } from "../bytes/text.ts";
import { ConfigError, shownText } from "../errors.ts";
import type { Entry } from "../table.ts";
import { configuredText, type Opening, orConfigError } from "./opening.ts";
import type { Driver } from "./driver.ts";
import { DriverTable } from "./driver_table.ts";

/** A driver over entries in memory. It lists them in the order of the map. */
export class EntriesDriver implements Driver {
  #entries: ReadonlyMap<string, string>;

  /** The keys of `entries` must be folded already. */
  constructor(entries: ReadonlyMap<string, string>) {
    this.#entries = entries;
  }

  lookup(key: string): Promise<string | undefined> {
    return Promise.resolve(this.#entries.get(key));
  }

  async *sequence(): AsyncGenerator<Entry> {
    for (const [key, value] of this.#entries) yield { key, value };
  }
}

/**
 * Opens `inline:{key=value, { key = text of more words }}`.
 *
 * Implements "inline" of DATABASE_README.
 */
export async function openInline(opening: Opening): Promise<DriverTable> {
  const { name, path, options, rules } = opening;
  if (rules.text.utf8 && !isUtf8(path)) {
    throw new ConfigError(
      `${shownText(name)}: it is not UTF-8: write it in UTF-8, ` +
        "or turn UTF-8 support off",
    );
  }
  const pairs = orConfigError(`${name}: need inline:{key=value, …}`, {}, () => {
    const text = configuredText(rules.text, path);
    const found = bracedPairs(text, splitKeyValue);
    if (found.length === 0) throw new RangeError("it has no entry");
    return found;
  });
  const files = options.fileValues
    ? await import("./file_values_encoding.ts")
    : undefined;
  const entries = new Map<string, string>();
  for (const [key, value] of pairs) {
    entries.set(
      rules.fold ? rules.text.fold(key) : key,
      await files?.sourceValue(opening, value) ?? value,
    );
  }
  return new DriverTable(name, new EntriesDriver(entries), rules);
}
