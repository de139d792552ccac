import { TemporaryError } from "../errors.ts";
import type { Entry } from "../table.ts";
import type { Opening } from "./opening.ts";
import type { Driver } from "./driver.ts";
import { DriverTable } from "./driver_table.ts";

class FailDriver implements Driver {
  #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  #fail(): Promise<never> {
    return Promise.reject(
      new TemporaryError(`${this.#name} fails whatever it is asked`),
    );
  }

  lookup(): Promise<never> {
    return this.#fail();
  }

  update(): Promise<never> {
    return this.#fail();
  }

  delete(): Promise<never> {
    return this.#fail();
  }

  // deno-lint-ignore require-yield -- it fails before the first entry
  async *sequence(): AsyncGenerator<Entry> {
    await this.#fail();
  }
}

/**
 * Opens `fail:reason`: every request fails with a {@linkcode TemporaryError}. It
 * serves to test how a program handles failures.
 *
 * Implements "fail" of DATABASE_README.
 */
export function openFail({ name, rules }: Opening): Promise<DriverTable> {
  return Promise.resolve(new DriverTable(name, new FailDriver(name), rules));
}
