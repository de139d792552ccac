import { withoutBraces } from "../config/name_value.ts";
import { configBytes, isUtf8, type Text } from "../bytes/text.ts";
import { NotUtf8Error, ReadOnlyError } from "../errors.ts";
import { configuredText, type Opening, orConfigError } from "./opening.ts";
import type { Driver } from "./driver.ts";
import { DriverTable } from "./driver_table.ts";

class StaticDriver implements Driver {
  #name: string;
  #value: string;
  #isText: boolean;

  constructor(name: string, value: string, text: Text) {
    this.#name = name;
    this.#value = value;
    this.#isText = !text.utf8 || isUtf8(value);
  }

  lookup(key: string): Promise<string> {
    if (this.#isText) return Promise.resolve(this.#value);
    return Promise.reject(
      new NotUtf8Error(this.#name, key, configBytes(this.#value)),
    );
  }

  // As in Postfix, the table can be opened for writing, for example as a backup,
  // but each write fails.
  update(): Promise<never> {
    return Promise.reject(new ReadOnlyError(`${this.#name} is read-only`));
  }

  delete(): Promise<never> {
    return this.update();
  }
}

/**
 * Opens `static:value` or `static:{ value }`: every key has this value.
 *
 * Implements "static" of DATABASE_README.
 */
export async function openStatic(opening: Opening): Promise<DriverTable> {
  const { name, path, options, rules } = opening;
  const text = configuredText(rules.text, path);
  let value = text.startsWith("{")
    ? orConfigError(name, {}, () => withoutBraces(text))
    : text;
  if (options.fileValues) {
    const { sourceValue } = await import("./file_values_encoding.ts");
    value = await sourceValue(opening, value);
  }
  return new DriverTable(
    name,
    new StaticDriver(name, value, rules.text),
    rules,
  );
}
