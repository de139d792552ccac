import { reasonOf } from "../../errors.ts";
import type {
  KvAtomic,
  KvDatabase,
  KvEntry,
  KvKey,
} from "../../kv_database.ts";
import { hadManyChecks } from "./commits.ts";
import { KvFailure } from "./failures.ts";
import { StalledError } from "./patience.ts";
import {
  type KvService,
  missingPermission,
  missingToken,
  printable,
  tokenVariable,
} from "./remote_service.ts";

/**
 * What keeps a write from being done late. A client goes on trying a write that
 * was given up here, and may get it through after a newer one. So each write
 * requires that the entry of this key does not exist; and where writes were given
 * up, it is made before the next one.
 */
interface Fence {
  readonly key: KvKey;
  /** The number of writes under way. */
  writes: number;
}

function newFence(): Fence {
  return { key: ["memcache-table", "fence", crypto.randomUUID()], writes: 0 };
}

// Milliseconds: longer than any network keeps a request.
const fenceLifetime = 86_400_000;

/** The part of a client that writes a fence. */
interface FenceWriter extends KvAtomic {
  set(key: KvKey, value: unknown, options?: { expireIn: number }): KvAtomic;
}

/**
 * A database on another machine. The first call opens it, so that the time for that
 * counts as time of the call. When a call fails, it asks the service why.
 *
 * What the service refuses is tried once more with a new client: one that is open
 * for long may have a token that was withdrawn, or the ID of a database that was
 * replaced.
 */
export class RemoteDatabase implements KvDatabase {
  #openClient: () => Promise<KvDatabase | undefined>;
  #service: KvService;
  #opening: Promise<KvDatabase> | undefined;
  #giveUp = new Set<(reason: Error) => void>();
  // After a call without an answer, the service is asked before a client is opened:
  // a client cannot be stopped while it tries.
  #isDoubtful = false;
  #fence = newFence();
  #unraised: readonly Fence[] = [];
  #raising: Promise<void> | undefined;
  #isClosed = false;

  /** Opens nothing yet. */
  constructor(
    openClient: () => Promise<KvDatabase | undefined>,
    service: KvService,
  ) {
    this.#openClient = openClient;
    this.#service = service;
  }

  get(key: KvKey): Promise<KvEntry> {
    return this.#read((client) => client.get(key));
  }

  getMany(keys: KvKey[]): Promise<KvEntry[]> {
    return this.#read((client) =>
      client.getMany?.(keys) ??
        Promise.all(keys.map((key) => client.get(key)))
    );
  }

  set(key: KvKey, value: unknown): Promise<unknown> {
    return this.atomic().set(key, value).commit();
  }

  async delete(key: KvKey): Promise<void> {
    await this.atomic().delete!(key).commit();
  }

  /** Reads all entries first. */
  async *list(
    selector: { prefix: KvKey } | { prefix: KvKey; start: KvKey },
    options?: { limit?: number; batchSize?: number },
  ): AsyncGenerator<KvEntry> {
    yield* await this.#read(async (client) => {
      const entries: KvEntry[] = [];
      for await (const entry of client.list(selector, options)) {
        entries.push(entry);
      }
      return entries;
    });
  }

  /** Records the steps, and applies them on commit. */
  atomic(): KvAtomic {
    const steps: ((made: KvAtomic) => KvAtomic)[] = [];
    const atomic: KvAtomic = {
      check(...checks) {
        steps.push((made) => made.check(...checks));
        return atomic;
      },
      set(key, value) {
        steps.push((made) => made.set(key, value));
        return atomic;
      },
      delete(key) {
        steps.push((made) => made.delete!(key));
        return atomic;
      },
      commit: () => this.#write(steps),
    };
    return atomic;
  }

  #write(
    steps: readonly ((made: KvAtomic) => KvAtomic)[],
  ): Promise<{ ok: boolean }> {
    return this.#run((client) => {
      const fence = this.#fence;
      const made = client.atomic().check({
        key: fence.key,
        versionstamp: null,
      });
      fence.writes++;
      // Later than the request, where that gave up.
      const ended = () => {
        fence.writes--;
      };
      const written = steps.reduce((made, step) => step(made), made).commit();
      written.then(ended, ended);
      return written;
    });
  }

  /**
   * Ends all calls that have no answer yet, with {@linkcode StalledError}. The
   * next call starts anew.
   */
  abandon(): void {
    this.#isDoubtful = true;
    if (this.#fence.writes > 0) {
      this.#unraised = [...this.#unraised, this.#fence];
      this.#fence = newFence();
    }
    this.#forget(this.#opening);
    for (const giveUp of this.#giveUp) giveUp(new StalledError(true));
    this.#giveUp.clear();
  }

  /** Why the service does not answer. */
  why(): Promise<KvFailure | undefined> {
    return this.#service.why();
  }

  close(): void {
    this.#isClosed = true;
    this.abandon();
    this.#service.end();
  }

  #read<T>(call: (client: KvDatabase) => Promise<T>): Promise<T> {
    return this.#run(call, true);
  }

  async #run<T>(
    call: (client: KvDatabase) => Promise<T>,
    isRead = false,
  ): Promise<T> {
    for (let isRepeated = false;; isRepeated = true) {
      let opening: Promise<KvDatabase> | undefined;
      try {
        if (this.#isDoubtful) await this.#mustAnswer();
        if (this.#isClosed) throw new StalledError(false);
        opening = this.#opening ??= this.#open();
        if (!isRead && this.#unraised.length > 0) {
          await (this.#raising ??= this.#raise(await opening).finally(() =>
            this.#raising = undefined
          ));
        }
        return await this.#unlessAbandoned(opening.then(call));
      } catch (error) {
        const isFinal = this.#isClosed || error instanceof StalledError ||
          hadManyChecks(error);
        if (isFinal) throw error;
        const why = await this.#explain(error);
        if (why !== undefined) throw why;
        // A write that is repeated must not have been done.
        const mayRepeat = isRead || isRefusal(error);
        if (isRepeated || !mayRepeat) throw this.#unexplained(error);
        if (opening !== undefined) this.#forget(opening);
      }
    }
  }

  async #mustAnswer(): Promise<void> {
    const why = await this.#service.why();
    if (why !== undefined) throw why;
    this.#isDoubtful = false;
  }

  /** Raises the fences before writes that were abandoned. */
  async #raise(client: KvDatabase): Promise<void> {
    for (const fence of [...this.#unraised]) {
      const made = (client.atomic() as FenceWriter)
        .set(fence.key, new Uint8Array(), { expireIn: fenceLifetime });
      await this.#unlessAbandoned(made.commit());
      this.#unraised = this.#unraised.filter((other) => other !== fence);
    }
  }

  async #open(): Promise<KvDatabase> {
    const client = await this.#openClient();
    if (client !== undefined) return client;
    throw new KvFailure("the openKv option opens no such database");
  }

  /** Closes a client, as soon as it is open; the next call opens another. */
  #forget(opening: Promise<KvDatabase> | undefined): void {
    if (this.#opening !== opening || opening === undefined) return;
    this.#opening = undefined;
    opening.then((client) => client.close()).catch(() => undefined);
  }

  #unlessAbandoned<T>(called: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp.add(reject);
      called.then(resolve, reject).finally(() => this.#giveUp.delete(reject));
    });
  }

  async #explain(error: unknown): Promise<KvFailure | undefined> {
    if (error instanceof KvFailure) return error;
    const denied = missingPermission(error, this.#service.host);
    if (denied !== undefined) return denied;
    if (reasonOf(error).includes(tokenVariable)) return missingToken();
    return await this.#service.why();
  }

  /** The error where the service itself answers as it should. */
  #unexplained(error: unknown): KvFailure {
    const service = this.#service;
    const refusal = refusalIn(error);
    if (refusal === undefined) {
      return service.failure(printable(reasonOf(error)), false, error);
    }
    if (/^40[13]\b/.test(refusal)) return service.refusedToken(refusal);
    return service.failure(
      `the service refuses the request (${refusal})`,
      false,
      error,
    );
  }
}

// The errors of Deno and of @deno/kv for an answer that is no success.
const refusals = [
  /\(status=(4\d\d[^)]*)\): ([^]*)$/,
  /responded with status (4\d\d[^:]*): ([^]*)$/,
  /^Unexpected response status: (4\d\d) ([^]*)$/,
];

/** The status and text of a refusal by the service. */
function refusalIn(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : "";
  for (const form of refusals) {
    const [, status, text] = form.exec(message) ?? [];
    if (status === undefined) continue;
    const said = printable(text);
    return said === "" ? status : `${status}: ${said}`;
  }
  return undefined;
}

function isRefusal(error: unknown): boolean {
  return refusalIn(error) !== undefined;
}
