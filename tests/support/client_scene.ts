import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import { ByteStringsBuilder, stringAt } from "../../lib/bytes/byte_strings.ts";
import { ClosedError, NoAnswerError } from "../../lib/errors.ts";
import {
  type ClientOptions,
  MemcacheClient,
} from "../../lib/memcached/client.ts";
import { sendExchange } from "../../lib/memcached/exchange.ts";
import { GetMany } from "../../lib/memcached/get_many.ts";
import { encodeDelete, encodeGet } from "../../lib/memcached/protocol.ts";
import { WriteMany } from "../../lib/memcached/write_many.ts";
import { WriteOrder } from "../../lib/memcached/write_order.ts";
import { assert, assertEquals } from "./assert.ts";
import { FakeClock } from "./fake_clock.ts";
import { type FakeConnection, FakeServer } from "./fake_server.ts";

export const pause = 1000;
export const timeout = 2000;
const limits = { lineSizeLimit: 1024, dataSizeLimit: 10 };

/** The reply to `get KEY` that has a value. */
export const value = (key: string, data = key) =>
  `VALUE ${key} 0 ${data.length}\r\n${data}\r\nEND\r\n`;

/** The commands of `get a`, `get b` … */
export const gets = (keys: string) =>
  [...keys].map((key) => `get ${key}\r\n`).join("");

/**
 * What happens in a scene, one thing after the other:
 *
 * - `ask`: requests are made in one turn: `get a`, `set a 1`, `delete a`, and
 *   `gets abc`, `sets abc`, `deletes abc` for exchanges.
 * - `sent`: the client's next write on a connection, the newest unless `on` tells.
 * - `say`, `end`, `refuse`: what the server does then.
 * - `pause`, `timeout`, `pass`: time passes; the first waits until a pause is set.
 * - `quiet`: nothing is sent, and so many connections were opened by now.
 * - `got`: what became of requests so far.
 * - `abort`: the signal of requests that were asked with `with: "signal"`.
 */
export type Step =
  | { ask: string[]; with?: "signal" }
  | { sent: string; on?: number }
  | { say: string; on?: number }
  | { end: true; on?: number }
  | { refuse: string }
  | { pause: true }
  | { timeout: true }
  | { pass: number }
  | { quiet: number }
  | { got: Record<string, string> }
  | { abort: string };

/** A client before a server that does what a script says. */
export class ClientScene {
  readonly server = new FakeServer();
  readonly clock = new FakeClock();
  readonly warnings: string[] = [];
  readonly client: MemcacheClient;
  /** What became of requests, by what they asked. */
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

  /** Makes a request, and keeps what becomes of it. */
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
        this.client.request("get", encodeGet(key), { signal }).then(
          (reply) =>
            done(
              reply.kind === "value"
                ? byteText.decode(reply.data)!
                : reply.kind,
            ),
          failed,
        );
        return;
      case "delete":
        this.client.request("delete", encodeDelete(key), { signal }).then(
          ({ kind }) => done(kind),
          failed,
        );
        return;
      case "set":
        this.client.request("set", setOf(keys, data), { signal }).then(
          ({ kind }) => done(kind),
          failed,
        );
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
      if ("ask" in step) {
        const signal = step.with && this.#abort.signal;
        for (const request of step.ask) this.ask(request, signal);
      } else if ("sent" in step) {
        this.#opened = Math.max(this.#opened, step.on ?? 0);
        let connection = await this.server.connection(
          step.on ?? this.#opened,
        );
        if (step.on === undefined && connection.closed) {
          connection = await this.server.connection(++this.#opened);
        }
        assertEquals(await connection.take(), step.sent);
      } else if ("say" in step) this.#current(step.on).send(step.say);
      else if ("end" in step) this.#current(step.on).end();
      else if ("refuse" in step) {
        this.server.refusals.push(() => Promise.reject(new Error(step.refuse)));
      } else if ("pause" in step) {
        await this.clock.untilWaiting(pause);
        this.clock.pass(pause);
      } else if ("timeout" in step) {
        await settle();
        this.clock.pass(timeout);
      } else if ("pass" in step) {
        await settle();
        this.clock.pass(step.pass);
      } else if ("quiet" in step) {
        await settle();
        assertEquals(this.server.attempts, step.quiet, "attempts to connect");
        for (const { hasRequest } of this.server.connections) {
          assert(!hasRequest, "something was sent");
        }
      } else if ("abort" in step) this.#abort.abort(new Error(step.abort));
      else {
        await settle();
        for (const [request, outcome] of Object.entries(step.got)) {
          assertEquals(this.outcomes.get(request) ?? "…", outcome, request);
        }
      }
    }
  }

  #current(on = this.#opened): FakeConnection {
    return this.server.connections[on];
  }

  async close(): Promise<void> {
    await this.client.close(new ClosedError("memcache:t"));
    assertEquals(this.clock.waiting, 0, "timers that were left");
  }
}

function setOf(key: string, data: string): Uint8Array {
  return byteText.encode(`set ${key} 0 0 ${data.length}\r\n${data}\r\n`);
}

/** What `set KEY` with a value is on the wire. */
export const sets = (keys: string, data = "v") =>
  [...keys].map((key) => byteText.decode(setOf(key, data))).join("");

function describeError(error: unknown): string {
  const { message } = error as Error;
  const what = message.replace(/^.* failed: /, "").replace(/^memcache:t: /, "");
  return `${error instanceof NoAnswerError ? "no answer" : "error"}: ${what}`;
}

/** Lets all go on that needs no time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await undefined;
}
