import type { ByteStrings } from "../bytes/byte_strings.ts";
import type { Entry } from "../table.ts";
import type { BatchAnswer, Driver, WriteAnswer, WritePace } from "./driver.ts";

/** A driver with all batch methods. */
export type FullDriver =
  & Driver
  & Required<
    Pick<
      Driver,
      "lookupBatch" | "updateBatch" | "deleteBatch" | "sequence" | "close"
    >
  >;

/** A driver that the first request, or `open`, opens. */
export class LazyDriver implements Driver {
  readonly heedsSignal = true;
  #open: () => Promise<FullDriver>;
  #opening: Promise<FullDriver> | undefined;
  #opened: FullDriver | undefined;

  /** Calls `open` once. */
  constructor(open: () => Promise<FullDriver>) {
    this.#open = open;
  }

  /** As in Driver. */
  async open(): Promise<void> {
    await this.#driver();
  }

  /** As in Driver. */
  lookup(key: string, signal?: AbortSignal): Promise<string | undefined> {
    // Without a promise of its own, which would take as long as a system call.
    return this.#opened?.lookup(key, signal) ??
      this.#driver().then((driver) => driver.lookup(key, signal));
  }

  /** As in Driver. */
  async lookupBatch(
    keys: ByteStrings,
    signal?: AbortSignal,
  ): Promise<BatchAnswer> {
    return await (await this.#driver()).lookupBatch(keys, signal);
  }

  /** As in Driver. */
  get writePace(): WritePace | undefined {
    return this.#opened?.writePace;
  }

  /** As in Driver. */
  async updateBatch(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer> {
    return await (await this.#driver()).updateBatch(entries, signal);
  }

  /** As in Driver. */
  async deleteBatch(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer> {
    return await (await this.#driver()).deleteBatch(keys, signal);
  }

  /** As in Driver. */
  async *sequence(): AsyncGenerator<Entry> {
    yield* (await this.#driver()).sequence();
  }

  /** As in Driver. */
  async close(reason?: unknown): Promise<void> {
    const driver = await this.#opening?.catch(() => undefined);
    await driver?.close(reason);
  }

  async #driver(): Promise<FullDriver> {
    this.#opening ??= this.#open();
    return this.#opened ??= await this.#opening;
  }
}
