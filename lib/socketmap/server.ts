/**
 * A socketmap_table(5) server: Postfix looks up in any table of this project,
 * over a socket.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openTable } from "@postmaps/memcache-table";
 * import { serveSocketmap } from "@postmaps/memcache-table/socketmap";
 *
 * await using aliases = await openTable("inline:{alice=wonderland}");
 * await using server = await serveSocketmap({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 * });
 * // postmap -q alice socketmap:inet:127.0.0.1:PORT:aliases
 * const port = Number(server.endpoint.split(":")[2]);
 * using client = await Deno.connect({ hostname: "127.0.0.1", port });
 * await client.write(new TextEncoder().encode("13:aliases Alice,"));
 * const reply = new Uint8Array(100);
 * const length = await client.read(reply);
 * assertEquals(
 *   new TextDecoder().decode(reply.subarray(0, length!)),
 *   "13:OK wonderland,",
 * );
 * ```
 *
 * @module
 */
import { type Clock, systemClock, type Timer } from "../system/clock.ts";
import { ConfigError, reasonOf } from "../errors.ts";
import { byteText, utf8Text } from "../bytes/text.ts";
import { listenLazily } from "../socket/listen.ts";
import { requireOptionNames } from "../tables/option_names.ts";
import { formatEndpoint, parseEndpoint } from "../socket/endpoint.ts";
import type {
  Endpoint,
  Listen,
  Listener,
  Socket,
  TcpEndpoint,
  UnixEndpoint,
} from "../socket/socket.ts";
import { Answers, Complaints, type LookupTable } from "./answers.ts";
import { Conversation, type Surroundings } from "./conversation.ts";
import { mostUnanswered, Room } from "./room.ts";

export { ConfigError };
export {
  openServedTable,
  ServedTable,
  type ServedTableOptions,
} from "./served_table.ts";
export type {
  Clock,
  Endpoint,
  Listen,
  Listener,
  LookupTable,
  Socket,
  TcpEndpoint,
  Timer,
  UnixEndpoint,
};

/** Options of {@linkcode serveSocketmap}. Times are in seconds. */
export interface SocketmapOptions {
  /**
   * Where to listen: `inet:HOST:PORT`, `inet:[IPV6]:PORT`, `unix:PATH`. Port 0
   * is any that is free.
   */
  endpoint: string;
  /**
   * Keys and values are UTF-8, as the tables were opened; else byte strings.
   *
   * @default {true}
   */
  utf8?: boolean;
  /**
   * The mode of the file of a UNIX-domain socket: whoever may write it may
   * connect. By default its owner and its group.
   *
   * @default {0o660}
   */
  mode?: number;
  /**
   * How long a client may be silent, or leave its replies unread, before it is
   * disconnected. Postfix closes connections that were idle for 10 seconds, and
   * waits for a reply for 100.
   *
   * @default {100}
   */
  idle?: number;
  /**
   * How many clients there may be at once; one more is disconnected at once.
   *
   * @default {1000}
   */
  clients?: number;
  /**
   * How long a lookup may take before it is answered with TIMEOUT.
   *
   * @default {30}
   */
  lookupTimeout?: number;
  /**
   * How long it may take to send a request.
   *
   * @default {10}
   */
  requestTimeout?: number;
  /** Called with each warning, one line; by default warnings go to `console.warn`. */
  onWarning?: (message: string) => void;
  /**
   * Called with a line when a table answers that did not, with the length of the
   * outage and the number of requests that it did not answer.
   */
  onRecovery?: (message: string) => void;
  /** Listens; by default the runtime's own adapter. */
  listen?: Listen;
  /** The time. */
  clock?: Clock;
}

const optionNames: Readonly<Record<keyof SocketmapOptions, true>> = {
  endpoint: true,
  utf8: true,
  mode: true,
  idle: true,
  clients: true,
  lookupTimeout: true,
  requestTimeout: true,
  onWarning: true,
  onRecovery: true,
  listen: true,
  clock: true,
};

// Requests of one client that may be unanswered.
const mostOfOne = 256;

const checkMilliseconds = 1000;
const drainSeconds = 10;

// Errors of accept() that last until somebody gives something back: then it rests
// before it tries again. All others are about one client, who has left already.
const lacking = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];
const lackingText =
  /too many open files|no buffer space|cannot allocate memory/i;
const longPause = 1000;
// In case that an error lasts all the same: one that nobody expected must not
// keep the processor busy.
const shortPause = 10;
const failuresInARow = 100;

/** A server that listens. */
export class SocketmapServer implements AsyncDisposable {
  /** Where it listens, `inet:HOST:PORT` with the actual port, or `unix:PATH`. */
  readonly endpoint: string;
  /** Settles when it is closed and no client is left. Never rejects. */
  readonly finished: Promise<void>;
  #listener: Listener;
  #clock: Clock;
  #answers: Answers;
  #complaints: Complaints;
  #around: Surroundings & { now: number; mostUnanswered: number };
  #mostClients: number;
  #clients = new Set<Conversation>();
  #work = new Set<Promise<void>>();
  #timer: Timer | undefined;
  #endPause: (() => void) | undefined;
  #isFull = false;
  #closing = false;

  /** Takes over the listener; {@linkcode serveSocketmap} makes one. */
  constructor(
    listener: Listener,
    tables: Readonly<Record<string, LookupTable>>,
    options: Omit<SocketmapOptions, "endpoint" | "mode" | "listen">,
  ) {
    const {
      utf8 = true,
      idle = 100,
      clients = 1000,
      lookupTimeout = 30,
      requestTimeout = 10,
      onWarning = (line: string) => console.warn(line),
      clock = systemClock,
    } = options;
    this.endpoint = formatEndpoint(listener.endpoint);
    this.#listener = listener;
    this.#clock = clock;
    this.#mostClients = clients;
    this.#complaints = new Complaints(onWarning, clock);
    const text = utf8 ? utf8Text : byteText;
    const room = new Room({ clients });
    this.#answers = new Answers(tables, {
      text,
      long: room.long,
      complaints: this.#complaints,
      clock,
      onRecovery: options.onRecovery,
    });
    this.#around = {
      answers: this.#answers,
      room,
      now: clock.now(),
      mostUnanswered: mostOfOne,
      idle: idle * 1000,
      requestTimeout: requestTimeout * 1000,
      lookupTimeout: lookupTimeout * 1000,
      onWarning: (kind, message) => this.#complaints.warn(kind, message),
    };
    this.finished = this.#serve();
  }

  /**
   * Stops listening, answers what clients asked, and disconnects them; after
   * `drain` seconds at the latest. May be called again, with less.
   */
  async close({ drain = drainSeconds }: { drain?: number } = {}): Promise<
    void
  > {
    this.#closing = true;
    this.#listener.close();
    this.#endPause?.();
    for (const client of this.#clients) client.finish();
    const timer = this.#clock.setTimer(drain * 1000, () => {
      for (const client of this.#clients) client.close();
    });
    await this.finished;
    timer.cancel();
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(): Promise<void> {
    let failures = 0;
    while (!this.#closing) {
      let socket: Socket | null;
      try {
        socket = await this.#listener.accept();
        failures = 0;
      } catch (error) {
        const reason = reasonOf(error);
        if (isLacking(error) || lackingText.test(reason)) {
          this.#complaints.warn("accept", `cannot take a client: ${reason}`);
          await this.#pause(longPause);
        } else if (++failures % failuresInARow === 0) {
          await this.#pause(shortPause);
        }
        continue;
      }
      if (socket === null) break;
      if (this.#closing) socket.close();
      else this.#take(socket);
    }
    while (this.#work.size > 0) await Promise.all(this.#work);
    this.#answers.close();
    this.#timer?.cancel();
  }

  #take(socket: Socket): void {
    if (this.#clients.size >= this.#mostClients) return this.#sendAway(socket);
    this.#around.now = this.#clock.now();
    const client = new Conversation(socket, this.#around);
    this.#clients.add(client);
    this.#share();
    const work = client.run().then(() => {
      this.#clients.delete(client);
      this.#share();
      this.#work.delete(work);
      this.#isFull = false;
      this.#endPause?.();
    });
    this.#work.add(work);
    this.#timer ??= this.#checkSoon();
  }

  /** The more clients there are, the fewer requests of each are taken at once. */
  #share(): void {
    const each = Math.floor(mostUnanswered / Math.max(this.#clients.size, 1));
    this.#around.mostUnanswered = Math.min(Math.max(each, 1), mostOfOne);
  }

  #sendAway(socket: Socket): void {
    socket.close();
    // Once, until one of them leaves.
    if (this.#isFull) return;
    this.#isFull = true;
    this.#complaints.warn(
      "clients",
      `there are ${this.#mostClients} clients: no more are taken`,
    );
  }

  /** One timer for all clients: one for each request would cost more than it. */
  #checkSoon(): Timer {
    return this.#clock.setTimer(checkMilliseconds, () => {
      this.#around.now = this.#clock.now();
      for (const client of this.#clients) client.checkTime();
      this.#makeRoom();
      const isIdle = this.#around.room.tidy() && this.#clients.size === 0;
      this.#timer = isIdle ? undefined : this.#checkSoon();
    });
  }

  /**
   * Disconnects those who have kept the server waiting for longest, when others
   * need the room that these take.
   */
  #makeRoom(): void {
    const { room, now } = this.#around;
    if (room.waiting === 0) return;
    const stuck = [...this.#clients].filter(({ holdsRoom, stuckSince }) =>
      holdsRoom && stuckSince !== undefined &&
      now - stuckSince >= checkMilliseconds
    ).sort((one, two) => one.stuckSince! - two.stuckSince!);
    for (const client of stuck.slice(0, room.waiting)) {
      this.#complaints.warn(
        "room",
        "a client that does not take its replies, or sends half a request, " +
          "takes memory that others need: disconnected",
      );
      client.close();
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.#closing) return;
    const timer = this.#clock.setTimer(milliseconds, () => this.#endPause?.());
    await new Promise<void>((resolve) => this.#endPause = resolve);
    this.#endPause = undefined;
    timer.cancel();
  }
}

function isLacking(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code !== undefined && lacking.includes(code);
}

/**
 * Serves tables by the names that Postfix shall ask for,
 * `socketmap:ENDPOINT:NAME`. The tables stay the caller's, to be closed after
 * the server.
 *
 * Requests of up to 102,400 bytes are looked up, longer ones are answered with
 * NOTFOUND. A reply has at most 100,000 bytes; a longer value is answered with
 * PERM. Of one client 256 requests may be without a reply that it took, of all
 * clients 10,000; what waits for them takes at most 64 MB. Then no more is read
 * from those who do not read their replies.
 *
 * Throws a `TypeError` for an option that does not exist, and
 * {@linkcode ConfigError} when it cannot listen there, or a name cannot
 * be one.
 *
 * Implements socketmap_table(5), the side that answers.
 *
 * @example
 * ```ts
 * import { openTable } from "@postmaps/memcache-table";
 * import { serveSocketmap } from "@postmaps/memcache-table/socketmap";
 *
 * await using aliases = await openTable("static:postmaster");
 * await using server = await serveSocketmap({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 * });
 * console.log(`virtual_alias_maps = socketmap:${server.endpoint}:aliases`);
 * ```
 */
export async function serveSocketmap(
  tables: Readonly<Record<string, LookupTable>>,
  options: SocketmapOptions,
): Promise<SocketmapServer> {
  requireOptionNames(options, optionNames);
  const { endpoint, mode = 0o660, listen = listenLazily, ...more } = options;
  for (const name of Object.keys(tables)) {
    if (/^[^\s:,=\p{Cc}]+$/u.test(name)) continue;
    throw new ConfigError(
      `"${name}" cannot be the name of a socketmap: ` +
        `it must have a letter, and no white space, colon, comma or "="`,
    );
  }
  const listener = await listen(parseListening(endpoint), { mode });
  return new SocketmapServer(listener, tables, more);
}

function parseListening(specification: string): Endpoint {
  try {
    const endpoint = parseEndpoint(specification, { leastPort: 0 });
    if (!("service" in endpoint)) return endpoint;
    throw new RangeError(`"${endpoint.service}" is no port number`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`${specification}: ${error.message}`);
  }
}
