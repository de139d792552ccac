import type { Clock } from "../system/clock.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { byteLength, byteText, type Text, utf8Text } from "../bytes/text.ts";

/** What is served under a name: any table is one. */
export interface LookupTable {
  /** Names it in messages. */
  readonly name: string;
  /** The value of a key, or `undefined` when the table does not have it. */
  lookup(key: string): Promise<string | undefined>;
}

const SPACE = 32;

/** What a client of the protocol may be sent in one reply, socketmap_table(5). */
export const longestReply = 100_000;

// A reason goes into a log line of Postfix.
const longestReason = 500;

// Lookups that may be under way for all clients together, and for those that left
// without waiting. Each client has its share of far fewer.
const mostUnderWay = 50_000;

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
  #tables = new Map<string, { name: string; table: LookupTable }>();
  #failing = new Set<string>();
  #names: string;
  #text: Text;
  #complaints: Complaints;
  #closed = false;

  /** `text` is that of the tables. */
  constructor(
    tables: Readonly<Record<string, LookupTable>>,
    text: Text,
    complaints: Complaints,
  ) {
    this.#text = text;
    this.#complaints = complaints;
    this.#names = Object.keys(tables).join(", ");
    for (const [name, table] of Object.entries(tables)) {
      this.#tables.set(asBytes(name), { name, table });
    }
  }

  /** Nobody wants to know of what fails from now on. */
  close(): void {
    this.#closed = true;
  }

  /** The bytes of replies. */
  encode(replies: string): Uint8Array {
    return this.#text.encode(replies);
  }

  /** The reply to the data of a request, as a netstring. Never rejects. */
  answer(request: Uint8Array): string | Promise<string> {
    const space = request.indexOf(SPACE);
    if (space < 0) {
      return this.refusal("request", "no request: need NAME, a space, KEY");
    }
    const name = byteText.decode(request.subarray(0, space))!;
    const served = this.#tables.get(name);
    if (served === undefined) return this.#unknown(request.subarray(0, space));
    const key = this.#text.decode(request.subarray(space + 1));
    if (key === undefined) return notFound;
    if (this.underWay >= mostUnderWay) {
      return this.#temporary("busy", `${mostUnderWay} lookups are under way`);
    }
    this.underWay++;
    return served.table.lookup(key).then((value) => {
      this.underWay--;
      if (this.#failing.size > 0) this.#failing.delete(name);
      return value === undefined ? notFound : this.#found(served.name, value);
    }, (error) => {
      this.underWay--;
      return this.#failed(name, served, error);
    });
  }

  /** Says that a request cannot be answered, and never will. */
  refusal(kind: string, reason: string): string {
    this.#warn(kind, `a client was refused: ${reason}`);
    return this.#reply("PERM", reason);
  }

  /** Says that a lookup took too long. */
  timeout(seconds: number): string {
    const reason = `no answer within ${seconds} s`;
    this.#warn("timeout", `a lookup has ${reason}`);
    return this.#reply("TIMEOUT", reason);
  }

  #found(name: string, value: string): string {
    const length = byteLength(this.#text, value) + 3;
    if (length <= longestReply) return `${length}:OK ${value},`;
    const reason = `a value of ${length - 3} bytes, and a socketmap reply ` +
      `has at most ${longestReply - 3}`;
    this.#warn(`table ${name}`, `${name}: ${reason}`);
    return this.#reply("PERM", reason);
  }

  #unknown(bytes: Uint8Array): string {
    const name = new TextDecoder().decode(bytes.subarray(0, 60));
    return this.refusal("name", `no table "${name}": there are ${this.#names}`);
  }

  #failed(
    key: string,
    { name, table }: { name: string; table: LookupTable },
    error: unknown,
  ): string {
    const kind = `table ${name}`;
    if (error instanceof ConfigError) {
      this.#warn(kind, `${name}: ${error.message}`);
      return this.#reply("PERM", error.message);
    }
    if (error instanceof TemporaryError) {
      // Once an outage: it is over when a lookup succeeds.
      const { message } = error;
      if (!this.#failing.has(key)) this.#warn(kind, `${name}: ${message}`);
      this.#failing.add(key);
      return this.#reply("TEMP", message);
    }
    return this.#temporary(kind, `${name}: ${table.name}: ${error}`);
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

const notFound = "9:NOTFOUND ,";

/** Text as the byte string of its UTF-8. */
function asBytes(text: string): string {
  return byteText.decode(utf8Text.encode(text))!;
}
