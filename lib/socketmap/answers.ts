import { requireKind, requireMethod } from "../arguments.ts";
import type { Clock } from "../system/clock.ts";
import { ConfigError, recoveryMessage, TemporaryError } from "../errors.ts";
import { byteLength, byteText, type Text, utf8Text } from "../bytes/text.ts";
import { maxUnanswered } from "./buffer_pool.ts";
import type { BadRequest, ReplyStatus } from "./metrics/families.ts";
import type { SocketmapMetrics } from "./metrics/metrics.ts";

/** A table that can be served. Every table of this project is one. */
export interface LookupTable {
  /** The name of the table in messages. */
  readonly name: string;
  /** The value of a key, or `undefined` when the table does not have it. */
  lookup(key: string): Promise<string | undefined>;
}

/** Throws a `TypeError` unless these are tables that can be served. */
export function requireTables(caller: string, tables: unknown): void {
  requireKind(`${caller}: tables`, tables, "object");
  for (const [name, table] of Object.entries(tables as object)) {
    requireMethod(`${caller}: tables.${name}`, table, "lookup");
  }
}

/** A long reply, which is encoded as a netstring only when it can be sent. */
export interface LongReply {
  /** Writes the netstring at the start of `memory`, and returns that part. */
  encodeInto(memory: Uint8Array): Uint8Array;
}

/** A table and the name under which clients know it. */
interface NamedTable {
  readonly name: string;
  readonly table: LookupTable;
}

/** An outage of a table. */
interface TableOutage {
  /** When it started, in milliseconds. */
  readonly since: number;
  /** The number of requests that failed. */
  failures: number;
}

/** A request of a client. */
export interface LookupRequest {
  /** The table to search. */
  readonly target: NamedTable;
  /** The key as a string of that table. */
  readonly key: string;
  /** Whether its reply was counted: a long one may be looked up twice. */
  isCounted?: boolean;
}

const SPACE = 32;
const COMMA = 44;
const encoder = new TextEncoder();

/** The longest reply that Postfix accepts, in bytes; see socketmap_table(5). */
export const longestReply = 100_000;

// Characters. Postfix writes the reason into one line of its log.
const longestReason = 500;

// Lookups that may be under way at once. The limit for all connected clients is
// half of it: the rest is for clients that left before they got a reply.
const maxPending = 2 * maxUnanswered;

// The same until the first reply shows how long the values are. Each client may
// have one lookup under way even if this limit is reached.
const maxPendingAtFirst = 256;

// Clients can cause warnings, and must not be able to fill the log.
const linesPerMinute = 5;
const minute = 60_000;

/** Passes warnings on, but only a few of each kind in a minute. */
export class WarningLimiter {
  #warn: (message: string) => void;
  #clock: Clock;
  #kinds = new Map<string, { since: number; lines: number }>();

  /** Passes warnings on to `warn`. */
  constructor(warn: (message: string) => void, clock: Clock) {
    this.#warn = warn;
    this.#clock = clock;
  }

  /** Passes a warning on, unless there were too many of that kind lately. */
  warn(kind: string, message: string): void {
    const now = this.#clock.now();
    const recent = this.#kinds.get(kind);
    if (recent !== undefined && now - recent.since < minute) {
      if (recent.lines++ < linesPerMinute) this.#warn(message);
      return;
    }
    this.#kinds.set(kind, { since: now, lines: 1 });
    const suppressed = recent === undefined ? 0 : recent.lines - linesPerMinute;
    const more = suppressed > 0 ? ` (and ${suppressed} more before)` : "";
    this.#warn(message + more);
  }
}

/** Parses requests, looks keys up, and makes the replies. */
export class Answers {
  /** The number of lookups that are under way. */
  pending = 0;
  /** Roughly the largest size of recent replies, in bytes. */
  typicalSize = 0;
  #hasReplied = false;
  #tables = new Map<string, NamedTable>();
  #outages = new Map<NamedTable, TableOutage>();
  #tableNames: string;
  #longSize: number;
  #text: Text;
  #warnings: WarningLimiter;
  #clock: Clock;
  #onRecovery: ((message: string) => void) | undefined;
  #metrics: SocketmapMetrics | undefined;
  #closed = false;

  /**
   * `text` is the encoding of the tables. A reply of `longSize` bytes or more is
   * a {@linkcode LongReply}.
   */
  constructor(
    tables: Readonly<Record<string, LookupTable>>,
    { text, longSize, warnings, clock, onRecovery, metrics }: {
      text: Text;
      longSize: number;
      warnings: WarningLimiter;
      clock: Clock;
      onRecovery?: (message: string) => void;
      metrics?: SocketmapMetrics;
    },
  ) {
    this.#text = text;
    this.#longSize = longSize;
    this.#warnings = warnings;
    this.#clock = clock;
    this.#onRecovery = onRecovery;
    this.#metrics = metrics;
    this.#tableNames = Object.keys(tables).join(", ");
    for (const [name, table] of Object.entries(tables)) {
      this.#tables.set(asBytes(name), { name, table });
    }
  }

  /** Stops all warnings: what fails from now on concerns nobody. */
  close(): void {
    this.#closed = true;
  }

  /** Whether a client that has a lookup under way may start another one. */
  get hasCapacity(): boolean {
    return this.#hasReplied || this.pending < maxPendingAtFirst;
  }

  /** Encodes replies. */
  encode(replies: string): Uint8Array {
    return this.#text.encode(replies);
  }

  /**
   * Parses a request of a client. Returns the reply instead if no lookup is needed.
   */
  parse(request: Uint8Array, client: string): LookupRequest | string {
    const space = request.indexOf(SPACE);
    if (space < 0) {
      const reason = "no request: need NAME, a space, KEY";
      return this.refusal("request", reason, client);
    }
    const name = request.subarray(0, space);
    const target = this.#tables.get(byteText.decode(name)!);
    if (target === undefined) return this.#unknown(name, client);
    const key = this.#text.decode(request.subarray(space + 1));
    if (key !== undefined) return { target, key };
    this.#metrics?.answered(target.name, "notfound");
    return notFound;
  }

  /** The reply to a request that is too long to be looked up. */
  tooLong(): string {
    this.#metrics?.refused("long");
    return notFound;
  }

  /** Looks a key up. Returns the reply, as a netstring. Never rejects. */
  lookUp(request: LookupRequest): Promise<string | LongReply> {
    if (this.#metrics === undefined) return this.#lookUp(request);
    const since = this.#clock.now();
    return this.#lookUp(request).then((reply) => {
      this.#count(request, statusOf(reply), this.#clock.now() - since);
      return reply;
    });
  }

  #lookUp({ target, key }: LookupRequest): Promise<string | LongReply> {
    if (this.pending >= maxPending) {
      const reason = `${maxPending} lookups are under way`;
      return Promise.resolve(this.#temporary("busy", reason));
    }
    this.pending++;
    return lookupOrReject(target.table, key).then((value) => {
      this.pending--;
      this.#hasReplied = true;
      this.#metrics?.tableAnswered(target.name);
      if (this.#outages.size > 0) this.#endOutage(target);
      return value === undefined ? notFound : this.#found(target.name, value);
    }, (error) => {
      this.pending--;
      return this.#failed(target, error);
    });
  }

  /** Makes the reply to a request that can never be answered, and warns. */
  refusal(kind: BadRequest, reason: string, client: string): string {
    this.#metrics?.refused(kind);
    this.#warn(kind, `${client} was refused: ${reason}`);
    return this.#reply("PERM", reason);
  }

  /** Makes the reply to a lookup that took too long, and warns. */
  timeout(request: LookupRequest, seconds: number): string {
    const { target } = request;
    this.#count(request, "timeout", seconds * 1000);
    const reason = `no answer within ${seconds} s`;
    this.#warnOnce(target, `${target.table.name}: ${reason}`);
    return this.#reply("TIMEOUT", reason);
  }

  /** Counts the first reply to a request. */
  #count(
    request: LookupRequest,
    status: ReplyStatus,
    milliseconds: number,
  ): void {
    if (request.isCounted) return;
    request.isCounted = true;
    this.#metrics?.answered(request.target.name, status, milliseconds);
  }

  #found(name: string, value: string): string | LongReply {
    const text = this.#text;
    const length = byteLength(text, value) + 3;
    const usual = this.typicalSize;
    this.typicalSize = length > usual
      ? length
      : usual - Math.ceil((usual - length) / 64);
    if (length > longestReply) {
      const reason = `a value of ${length - 3} bytes, and a socketmap reply ` +
        `has at most ${longestReply - 3}`;
      this.#warn(`table ${name}`, `${name}: ${reason}`);
      return this.#reply("PERM", reason);
    }
    const start = `${length}:OK `;
    if (length < this.#longSize) return `${start}${value},`;
    return {
      encodeInto: (memory) => encodeReply(text, start, value, length, memory),
    };
  }

  #unknown(bytes: Uint8Array, client: string): string {
    const name = new TextDecoder().decode(bytes.subarray(0, 60));
    return this.refusal(
      "name",
      `no table "${name}": there are ${this.#tableNames}`,
      client,
    );
  }

  #failed(target: NamedTable, error: unknown): string {
    const { name, table } = target;
    const kind = `table ${name}`;
    if (error instanceof ConfigError) {
      this.#warn(kind, `${name}: ${error.message}`);
      return this.#reply("PERM", error.message);
    }
    if (error instanceof TemporaryError) {
      this.#warnOnce(target, error.message);
      return this.#reply("TEMP", error.message);
    }
    return this.#temporary(kind, `${name}: ${table.name}: ${error}`);
  }

  /** Warns once for each outage. An outage ends when a lookup succeeds. */
  #warnOnce(target: NamedTable, reason: string): void {
    this.#metrics?.tableFailed(target.name);
    const outage = this.#outages.get(target);
    if (outage !== undefined) {
      outage.failures++;
      return;
    }
    this.#outages.set(target, { since: this.#clock.now(), failures: 1 });
    this.#warn(`table ${target.name}`, `${target.name}: ${reason}`);
  }

  #endOutage(target: NamedTable): void {
    const outage = this.#outages.get(target);
    if (outage === undefined) return;
    this.#outages.delete(target);
    const { name, table } = target;
    const message = recoveryMessage(
      this.#clock.now() - outage.since,
      outage.failures,
    );
    this.#onRecovery?.(`${name}: ${table.name} ${message}`);
  }

  #temporary(kind: string, reason: string): string {
    this.#warn(kind, reason);
    return this.#reply("TEMP", reason);
  }

  #warn(kind: string, message: string): void {
    if (!this.#closed) this.#warnings.warn(kind, message);
  }

  #reply(status: string, reason: string): string {
    const line = oneLine(reason);
    const reply = `${status} ${this.#text.utf8 ? line : asBytes(line)}`;
    return `${byteLength(this.#text, reply)}:${reply},`;
  }
}

/** The reply for a key that does not exist, as a netstring. */
const notFound = "9:NOTFOUND ,";

function statusOf(reply: string | LongReply): ReplyStatus {
  if (typeof reply !== "string") return "ok";
  const start = reply.indexOf(":") + 1;
  return reply.slice(start, reply.indexOf(" ")).toLowerCase() as ReplyStatus;
}

/** Encodes a reply; `start` is what comes before the value. */
function encodeReply(
  text: Text,
  start: string,
  value: string,
  length: number,
  memory: Uint8Array,
): Uint8Array {
  const size = start.length + length - 2;
  const reply = memory.subarray(0, size);
  reply.set(text.encode(start));
  const target = reply.subarray(start.length, size - 1);
  if (text.utf8) encoder.encodeInto(value, target);
  else target.set(text.encode(value));
  reply[size - 1] = COMMA;
  return reply;
}

/** A reason as one line that is not too long. */
export function oneLine(reason: string): string {
  return reason.slice(0, longestReason).toWellFormed()
    .replace(/\p{Cc}+/gu, " ");
}

/** Looks a key up. Rejects if the table throws an error at once. */
export function lookupOrReject(
  table: LookupTable,
  key: string,
): Promise<string | undefined> {
  try {
    return table.lookup(key);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The UTF-8 bytes of a text as a byte string. */
function asBytes(text: string): string {
  return byteText.decode(utf8Text.encode(text))!;
}
