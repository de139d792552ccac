import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import { ByteStringsBuilder, stringAt } from "../../lib/bytes/byte_strings.ts";
import { ClosedError, NoAnswerError } from "../../lib/errors.ts";
import {
  type ClientOptions,
  MemcacheClient,
} from "../../lib/memcached/client.ts";
import { sendExchange } from "../../lib/memcached/exchange.ts";
import { GetMany } from "../../lib/memcached/get_many.ts";
import { encodeGet, type Reply } from "../../lib/memcached/protocol.ts";
import { WriteMany } from "../../lib/memcached/write_many.ts";
import { WriteOrder } from "../../lib/memcached/write_order.ts";
import { assert, assertEquals } from "./assert.ts";
import { FakeClock } from "./fake_clock.ts";
import { type FakeConnection, FakeServer } from "./fake_server.ts";

const pause = 1000;
export const timeout = 2000;
const limits = { lineSizeLimit: 1024, dataSizeLimit: 10 };

/** The reply to `get KEY` for a key that has a value. */
export const value = (key: string, data = key) =>
  `VALUE ${key} 0 ${data.length}\r\n${data}\r\nEND\r\n`;

/** The commands of `get a`, `get b` … */
export const gets = (keys: string) =>
  [...keys].map((key) => `get ${key}\r\n`).join("");

export const closed = "error: the server closed the connection";
export const silent = "no answer: no answer within 2 s";
export const busy = "SERVER_ERROR busy\r\n";
export const full = "SERVER_ERROR out of memory storing object\r\n";
export const oneTry = { maxTry: 1 };

/** A step of a scene. Its parts happen in this order. */
export interface Step {
  /** The next connection is refused with this message. */
  refuse?: string;
  /** Connecting does not end the next time. */
  hang?: true;
  /**
   * Requests that are made in one turn: `get a`, `set a 1`, `delete a`, and
   * `gets abc`, `sets abc`, `deletes abc` for exchanges.
   */
  ask?: string[];
  /** The requests of this step have the signal that `abort` aborts. */
  with?: "signal";
  /** `abc`: `get a`, `get b` and `get c` are requested in one turn, and sent. */
  lookups?: string;
  /** The next write of the client is this. */
  sent?: string;
  /** The number of the connection; by default the newest one. */
  on?: number;
  /** The server sends this, on the same connection. */
  say?: string;
  /** The server closes the connection. */
  end?: true;
  /** The client has closed the connection with this number. */
  closed?: number;
  /** The client waits for the pause between two tries, and the pause ends. */
  pause?: true;
  /** The time-out passes. */
  timeout?: true;
  /** So many milliseconds pass. */
  pass?: number;
  /** The signal is aborted with this reason. */
  abort?: string;
  /** Nothing else was sent, and so many connections were tried so far. */
  quiet?: number;
  /** The outcomes of requests; `…` for one that waits. */
  got?: Record<string, string>;
}

/** A lookup that finds its own key as the value, on a connection. */
export const answered = (key: string, on?: number): Step => ({
  lookups: key,
  on,
  say: value(key),
  got: { [`get ${key}`]: key },
});

/** What a scene needs besides its steps. */
export interface Scene {
  options?: Partial<ClientOptions>;
  warnings?: string[];
  steps: Step[];
}

/** Makes a test of each scene. */
export function testScenes(scenes: Record<string, Scene>): void {
  for (
    const [name, { options, steps, warnings = [] }] of Object.entries(scenes)
  ) {
    Deno.test(`MemcacheClient ${name}`, async () => {
      const scene = new ClientScene(options);
      await scene.play(steps);
      assertEquals(scene.warnings, warnings);
      await scene.close();
    });
  }
}

/** A client with a server that follows a script. */
export class ClientScene {
  readonly server = new FakeServer();
  readonly clock = new FakeClock();
  readonly warnings: string[] = [];
  readonly client: MemcacheClient;
  /** The outcomes of requests. */
  readonly outcomes = new Map<string, string>();
  #abort = new AbortController();
  #opened = 0;

  constructor(options: Partial<ClientOptions> = {}) {
    this.client = new MemcacheClient({
      table: "memcache:t",
      endpoint: { transport: "tcp", hostname: "h", port: 1 },
      connect: this.server.connect,
      timeout,
      maxTry: 2,
      retryPause: pause,
      ...limits,
      clock: this.clock,
      onWarning: (message) => this.warnings.push(message),
      ...options,
    });
    this.client.keepOrder(new WriteOrder());
  }

  /** Makes a request, and records its outcome. */
  ask(request: string, signal?: AbortSignal): void {
    const [command, keys, data = "v"] = request.split(" ");
    const record = (label: string) => ({
      done: (outcome: string) => void this.outcomes.set(label, outcome),
      failed: (error: unknown) =>
        void this.outcomes.set(label, describeError(error)),
    });
    const key = byteText.encode(keys);
    const { done, failed } = record(request);
    switch (command) {
      case "get":
        this.client.request(
          "get",
          encodeGet(key),
          (reply) =>
            reply.kind === "value" ? byteText.decode(reply.data)! : reply.kind,
          { signal },
        ).then(done, failed);
        return;
      case "delete":
        this.client.request("delete", deleteOf(keys), kindOf, { signal })
          .then(done, failed);
        return;
      case "set":
        this.client.request("set", setOf(keys, data), kindOf, { signal })
          .then(done, failed);
        return;
      case "gets": {
        const values = new ByteStringsBuilder(keys.length, 8);
        const many = new GetMany(keys.length, 8, values, limits);
        for (const [number, key] of [...keys].entries()) {
          many.beginKey().appendAscii(key);
          many.endKey(number);
        }
        sendExchange(this.client, many.finish(), { signal }).then(() => {
          for (const [number, key] of [...keys].entries()) {
            const { done, failed } = record(key);
            const found = stringAt(values, number);
            if (many.errors.has(number)) failed(many.errors.get(number));
            else done(found ? byteText.decode(found)! : "not found");
          }
        }, failed);
        return;
      }
      default: {
        const isSet = command === "sets";
        const many = new WriteMany(isSet ? "set" : "delete", limits);
        for (const key of keys) {
          many.beginKey().appendAscii(key);
          if (!isSet) many.endDelete();
          else many.endSet(data, data.length, utf8Text, { flags: 0, ttl: 0 });
        }
        sendExchange(this.client, many, { signal }).then(() => {
          for (const [at, key] of [...keys].entries()) {
            const { done, failed } = record(key);
            if (many.errors.has(at)) failed(many.errors.get(at));
            else if (many.refusals.has(at)) done("refused");
            else done(`${many.verdicts[at]}`);
          }
        }, failed);
      }
    }
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      this.#ask(step);
      // Do not await here: requests of steps that do not wait are made in one turn.
      let connection: FakeConnection | undefined;
      const sent = step.sent ?? (step.lookups && gets(step.lookups));
      if (sent !== undefined) {
        connection = await this.#connection(step.on);
        assertEquals(await connection.take(), sent);
      }
      connection ??= this.server.connections[step.on ?? this.#opened];
      if (step.say !== undefined) connection.send(step.say);
      if (step.end) connection.end();
      if (step.pause) {
        await this.clock.untilWaiting(pause);
        this.clock.pass(pause);
      }
      const passing = step.timeout ? timeout : step.pass;
      if (passing !== undefined) {
        await settle();
        this.clock.pass(passing);
      }
      if (step.abort !== undefined) this.#abort.abort(new Error(step.abort));
      if (step.closed !== undefined) {
        await settle();
        assert(
          this.server.connections[step.closed].closed,
          `connection ${step.closed} is open`,
        );
      }
      if (step.quiet !== undefined) {
        await settle();
        this.#isQuiet(step.quiet);
      }
      if (step.got !== undefined) {
        await settle();
        for (const [request, outcome] of Object.entries(step.got)) {
          assertEquals(this.outcomes.get(request) ?? "…", outcome, request);
        }
      }
    }
  }

  #ask({ refuse, hang, ask, lookups = "", with: signal }: Step): void {
    if (hang) this.server.refusals.push(() => new Promise(() => {}));
    if (refuse !== undefined) {
      this.server.refusals.push(() => Promise.reject(new Error(refuse)));
    }
    for (const request of ask ?? [...lookups].map((key) => `get ${key}`)) {
      this.ask(request, signal && this.#abort.signal);
    }
  }

  #isQuiet(attempts: number): void {
    assertEquals(this.server.attempts, attempts, "attempts to connect");
    for (const { hasRequest } of this.server.connections) {
      assert(!hasRequest, "something was sent");
    }
  }

  /** A connection of the client, waiting for it if necessary. */
  async #connection(on?: number): Promise<FakeConnection> {
    this.#opened = Math.max(this.#opened, on ?? 0);
    const connection = await this.server.connection(on ?? this.#opened);
    if (on !== undefined || !connection.closed) return connection;
    return await this.server.connection(++this.#opened);
  }

  async close(): Promise<void> {
    await this.client.close(new ClosedError("memcache:t"));
    assertEquals(this.clock.waiting, 0, "timers that were left");
  }
}

function kindOf({ kind }: Reply): string {
  return kind;
}

function deleteOf(key: string): Uint8Array {
  return byteText.encode(`delete ${key}\r\n`);
}

function setOf(key: string, data: string): Uint8Array {
  return byteText.encode(`set ${key} 0 0 ${data.length}\r\n${data}\r\n`);
}

/** The commands of `set a`, `set b` … */
export const sets = (keys: string, data = "v") =>
  [...keys].map((key) => byteText.decode(setOf(key, data))).join("");

function describeError(error: unknown): string {
  const { message } = error as Error;
  const what = message.replace(/^.* failed: /, "").replace(/^memcache:t: /, "");
  return `${error instanceof NoAnswerError ? "no answer" : "error"}: ${what}`;
}

/** Waits until everything is done that needs no time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await undefined;
}
