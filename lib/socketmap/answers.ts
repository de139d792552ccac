import type { Clock } from "../system/clock.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { byteLength, byteText, type Text, utf8Text } from "../bytes/text.ts";
import { asBefore } from "../tables/memcache/outage.ts";
import { mostUnanswered } from "./room.ts";

/** What is served under a name: any table is one. */
export interface LookupTable {
  /** Names it in messages. */
  readonly name: string;
  /** The value of a key, or `undefined` when the table does not have it. */
  lookup(key: string): Promise<string | undefined>;
}

/** A reply that is long: its bytes, a netstring, are made when they are needed. */
export interface LongReply {
  /** Writes them at the start of `memory`, and returns that part. */
  encodeInto(memory: Uint8Array): Uint8Array;
}

/** A table, and the name that clients know it by. */
interface Served {
  readonly name: string;
  readonly table: LookupTable;
}

/** A lookup that a client asks for. */
export interface Question {
  /** The table that is asked. */
  readonly served: Served;
  /** The key, as the table takes it. */
  readonly key: string;
}

const SPACE = 32;
const COMMA = 44;
const encoder = new TextEncoder();

/** What a client of the protocol may be sent in one reply, socketmap_table(5). */
export const longestReply = 100_000;

// A reason goes into a log line of Postfix.
const longestReason = 500;

// Lookups that may be under way for all clients together, and for those that left
// without waiting. Each client has its share of far fewer.
const mostUnderWay = 2 * mostUnanswered;

// The same as long as nobody knows how long the values are. One of each client may
// be under way all the same.
const mostAtFirst = 256;

// Lines of one kind within a minute. What a client can provoke may not fill a log.
const linesAtOnce = 5;
const minute = 60_000;

/** Warnings, few of each kind. */
export class Complaints {
  #warn: (message: string) => void;
  #clock: Clock;
  #kinds = new Map<string, { since: number; lines: number }>();

  /** Nothing was said yet. */
  constructor(warn: (message: string) => void, clock: Clock) {
    this.#warn = warn;
    this.#clock = clock;
  }

  /** Warns, unless there was enough of that kind lately. */
  warn(kind: string, message: string): void {
    const now = this.#clock.now();
    const said = this.#kinds.get(kind);
    if (said !== undefined && now - said.since < minute) {
      if (said.lines++ < linesAtOnce) this.#warn(message);
      return;
    }
    this.#kinds.set(kind, { since: now, lines: 1 });
    const unsaid = said === undefined ? 0 : said.lines - linesAtOnce;
    const more = unsaid > 0 ? ` (and ${unsaid} more before)` : "";
    this.#warn(message + more);
  }
}

/** From requests to replies: which table is asked, and what is said of it. */
export class Answers {
  /** How many lookups have no answer yet. */
  underWay = 0;
  /** About the size of the largest of the last replies, in bytes. */
  usualSize = 0;
  #hasReplied = false;
  #tables = new Map<string, Served>();
  #failing = new Map<Served, { readonly since: number; requests: number }>();
  #names: string;
  #long: number;
  #text: Text;
  #complaints: Complaints;
  #clock: Clock;
  #onRecovery: ((message: string) => void) | undefined;
  #closed = false;

  /** `text` is that of the tables, `long` the least size of a long reply. */
  constructor(
    tables: Readonly<Record<string, LookupTable>>,
    { text, long, complaints, clock, onRecovery }: {
      text: Text;
      long: number;
      complaints: Complaints;
      clock: Clock;
      onRecovery?: (message: string) => void;
    },
  ) {
    this.#text = text;
    this.#long = long;
    this.#complaints = complaints;
    this.#clock = clock;
    this.#onRecovery = onRecovery;
    this.#names = Object.keys(tables).join(", ");
    for (const [name, table] of Object.entries(tables)) {
      this.#tables.set(asBytes(name), { name, table });
    }
  }

  /** Nobody wants to know of what fails from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Whether a client that has a lookup under way may start another. */
  get hasRoom(): boolean {
    return this.#hasReplied || this.underWay < mostAtFirst;
  }

  /** The bytes of replies. */
  encode(replies: string): Uint8Array {
    return this.#text.encode(replies);
  }

  /** What the data of a request asks for, or the reply to it at once. */
  read(request: Uint8Array): Question | string {
    const space = request.indexOf(SPACE);
    if (space < 0) {
      return this.refusal("request", "no request: need NAME, a space, KEY");
    }
    const name = request.subarray(0, space);
    const served = this.#tables.get(byteText.decode(name)!);
    if (served === undefined) return this.#unknown(name);
    const key = this.#text.decode(request.subarray(space + 1));
    return key === undefined ? notFound : { served, key };
  }

  /** The reply to a question, as a netstring. Never rejects. */
  ask({ served, key }: Question): Promise<string | LongReply> {
    if (this.underWay >= mostUnderWay) {
      const reason = `${mostUnderWay} lookups are under way`;
      return Promise.resolve(this.#temporary("busy", reason));
    }
    this.underWay++;
    return lookUp(served.table, key).then((value) => {
      this.underWay--;
      this.#hasReplied = true;
      if (this.#failing.size > 0) this.#recovered(served);
      return value === undefined ? notFound : this.#found(served.name, value);
    }, (error) => {
      this.underWay--;
      return this.#failed(served, error);
    });
  }

  /** Says that a request cannot be answered, and never will. */
  refusal(kind: string, reason: string): string {
    this.#warn(kind, `a client was refused: ${reason}`);
    return this.#reply("PERM", reason);
  }

  /** Says that a lookup took too long. */
  timeout({ served }: Question, seconds: number): string {
    const reason = `no answer within ${seconds} s`;
    this.#warnOnce(served, `${served.table.name}: ${reason}`);
    return this.#reply("TIMEOUT", reason);
  }

  #found(name: string, value: string): string | LongReply {
    const text = this.#text;
    const length = byteLength(text, value) + 3;
    const usual = this.usualSize;
    this.usualSize = length > usual
      ? length
      : usual - Math.ceil((usual - length) / 64);
    if (length > longestReply) {
      const reason = `a value of ${length - 3} bytes, and a socketmap reply ` +
        `has at most ${longestReply - 3}`;
      this.#warn(`table ${name}`, `${name}: ${reason}`);
      return this.#reply("PERM", reason);
    }
    const start = `${length}:OK `;
    if (length < this.#long) return `${start}${value},`;
    return {
      encodeInto: (memory) => encodeReply(text, start, value, length, memory),
    };
  }

  #unknown(bytes: Uint8Array): string {
    const name = new TextDecoder().decode(bytes.subarray(0, 60));
    return this.refusal("name", `no table "${name}": there are ${this.#names}`);
  }

  #failed(served: Served, error: unknown): string {
    const { name, table } = served;
    const kind = `table ${name}`;
    if (error instanceof ConfigError) {
      this.#warn(kind, `${name}: ${error.message}`);
      return this.#reply("PERM", error.message);
    }
    if (error instanceof TemporaryError) {
      this.#warnOnce(served, error.message);
      return this.#reply("TEMP", error.message);
    }
    return this.#temporary(kind, `${name}: ${table.name}: ${error}`);
  }

  /** Warns once for each outage: it is over when a lookup succeeds. */
  #warnOnce(served: Served, reason: string): void {
    const failing = this.#failing.get(served);
    if (failing !== undefined) {
      failing.requests++;
      return;
    }
    this.#failing.set(served, { since: this.#clock.now(), requests: 1 });
    this.#warn(`table ${served.name}`, `${served.name}: ${reason}`);
  }

  #recovered(served: Served): void {
    const failing = this.#failing.get(served);
    if (failing === undefined) return;
    this.#failing.delete(served);
    const { since, requests } = failing;
    const milliseconds = this.#clock.now() - since;
    this.#onRecovery?.(
      `${served.name}: ${served.table.name} ` +
        asBefore(milliseconds, requests),
    );
  }

  #temporary(kind: string, reason: string): string {
    this.#warn(kind, reason);
    return this.#reply("TEMP", reason);
  }

  #warn(kind: string, message: string): void {
    if (!this.#closed) this.#complaints.warn(kind, message);
  }

  #reply(status: string, reason: string): string {
    const line = reason.slice(0, longestReason).toWellFormed()
      .replace(/\p{Cc}+/gu, " ");
    const reply = `${status} ${this.#text.utf8 ? line : asBytes(line)}`;
    return `${byteLength(this.#text, reply)}:${reply},`;
  }
}

/** The reply that there is no such key, as a netstring. */
export const notFound = "9:NOTFOUND ,";

/** A reply as bytes; `start` is what stands before the value. */
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
  const place = reply.subarray(start.length, size - 1);
  if (text.utf8) encoder.encodeInto(value, place);
  else place.set(text.encode(value));
  reply[size - 1] = COMMA;
  return reply;
}

/** As the table does; what it throws at once is a rejection too. */
function lookUp(table: LookupTable, key: string): Promise<string | undefined> {
  try {
    return table.lookup(key);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Text as the byte string of its UTF-8. */
function asBytes(text: string): string {
  return byteText.decode(utf8Text.encode(text))!;
}
