import { byteText } from "../../lib/bytes/text.ts";
import type { KvAtomic, KvDatabase, KvEntry, KvKey } from "../../mod.ts";

/** A KV database in memory that answers within a few microtask turns. */
export class MemoryKv implements KvDatabase {
  /** The values of the default table by key. */
  readonly values = new Map<string, Uint8Array>();

  #entry(key: KvKey): KvEntry {
    const value = this.values.get(nameOf(key)) ?? null;
    return { key, value, versionstamp: value === null ? null : "1" };
  }

  get(key: KvKey): Promise<KvEntry> {
    return Promise.resolve(this.#entry(key));
  }

  getMany(keys: KvKey[]): Promise<KvEntry[]> {
    return Promise.resolve(keys.map((key) => this.#entry(key)));
  }

  set(key: KvKey, value: unknown): Promise<unknown> {
    this.values.set(nameOf(key), value as Uint8Array);
    return Promise.resolve();
  }

  delete(key: KvKey): Promise<void> {
    this.values.delete(nameOf(key));
    return Promise.resolve();
  }

  async *list(): AsyncGenerator<KvEntry> {
    for (const name of [...this.values.keys()].sort()) {
      yield this.#entry(["table", "", byteText.encode(name)]);
    }
  }

  atomic(): KvAtomic {
    const writes: (() => void)[] = [];
    let ok = true;
    const atomic: KvAtomic = {
      check: (...checks) => {
        for (const { key } of checks) ok &&= !this.values.has(nameOf(key));
        return atomic;
      },
      set: (key, value) => {
        writes.push(() => this.values.set(nameOf(key), value as Uint8Array));
        return atomic;
      },
      delete: (key) => {
        writes.push(() => this.values.delete(nameOf(key)));
        return atomic;
      },
      commit: () => {
        if (ok) { for (const write of writes) write(); }
        return Promise.resolve({ ok });
      },
    };
    return atomic;
  }

  close(): void {}
}

function nameOf(key: KvKey): string {
  return byteText.decode(key.at(-1) as Uint8Array)!;
}
