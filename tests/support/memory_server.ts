import { byteText } from "../../lib/bytes/text.ts";
import type { Connect } from "../../lib/socket/socket.ts";
import { FakeConnection } from "./fake_server.ts";

/** A fault of a server. */
export type Fault =
  | "none"
  /** Answers each command with this line. */
  | { says: string }
  /** Answers nothing. */
  | "silent"
  /** Accepts no connection. */
  | "refuses"
  /** Closes each connection at its first command. */
  | "closes"
  /** Closes each connection after one answer. */
  | "closes after each"
  /** Has no memory for new keys. */
  | "full"
  /** Returns the value of another key. */
  | "lies"
  /** Answers some keys with an error. */
  | "fails for some";

/** A memcached in memory. Its faults depend only on the command. */
export class MemoryServer {
  readonly entries = new Map<string, { flags: string; data: string }>();
  /** All commands that it received, in order. */
  readonly commands: string[] = [];
  connections = 0;
  /** The most open connections at a time. */
  mostOpen = 0;
  #all: FakeConnection[] = [];
  /** Its fault, which a test may change. */
  fault: Fault;
  /** Splits or replaces a reply; `undefined` among the chunks ends the connection. */
  corrupt: ((reply: string) => (string | undefined)[]) | undefined;

  constructor(fault: Fault) {
    this.fault = fault;
  }

  readonly connect: Connect = () => {
    if (this.fault === "refuses") {
      return Promise.reject(new Error("Connection refused"));
    }
    this.connections++;
    const connection = new FakeConnection();
    this.#all.push(connection);
    this.mostOpen = Math.max(this.mostOpen, this.open);
    void this.#serve(connection);
    return Promise.resolve(connection.socket);
  };

  /** How many connections the client has not closed. */
  get open(): number {
    return this.#all.filter(({ closed }) => !closed).length;
  }

  async #serve(connection: FakeConnection): Promise<void> {
    let unread = "";
    for (;;) {
      unread += await connection.take();
      for (let end; (end = unread.indexOf("\r\n")) >= 0;) {
        const line = unread.slice(0, end);
        const [, key, flags, , size] = /^set (\S+) (\S+) (\S+) (\d+)$/
          .exec(line) ?? [];
        const data = end + 2;
        const length = size === undefined ? 0 : Number(size) + 2;
        if (unread.length < data + length) break;
        this.commands.push(line);
        if (this.fault === "silent") return;
        if (this.fault === "closes" || this.fault === "refuses") {
          return connection.end();
        }
        const value = unread.slice(data, data + length - 2);
        const reply = key === undefined
          ? this.#answer(line)
          : this.#set(key, { flags, data: value });
        for (const chunk of this.corrupt?.(reply) ?? [reply]) {
          if (chunk === undefined) return connection.end();
          if (chunk !== "") connection.send(chunk);
        }
        if (this.fault === "closes after each") return connection.end();
        unread = unread.slice(data + length);
      }
    }
  }

  #set(key: string, entry: { flags: string; data: string }): string {
    if (typeof this.fault === "object") return `${this.fault.says}\r\n`;
    if (this.#isBad(key)) return "ERROR\r\n";
    if (this.fault === "full" && !this.entries.has(key)) {
      return "SERVER_ERROR out of memory storing object\r\n";
    }
    this.entries.set(key, entry);
    return "STORED\r\n";
  }

  #answer(line: string): string {
    if (typeof this.fault === "object") return `${this.fault.says}\r\n`;
    const [command, ...keys] = line.split(" ");
    if (command === "delete") {
      if (this.#isBad(keys[0])) return "ERROR\r\n";
      return this.entries.delete(keys[0]) ? "DELETED\r\n" : "NOT_FOUND\r\n";
    }
    if (command !== "get" || keys.length === 0) return "ERROR\r\n";
    if (keys.some((key) => this.#isBad(key))) return "ERROR\r\n";
    if (this.fault === "lies") return "VALUE other 0 1\r\nx\r\nEND\r\n";
    return keys.map((key) => {
      const entry = this.entries.get(key);
      if (entry === undefined) return "";
      const { flags, data } = entry;
      return `VALUE ${key} ${flags} ${data.length}\r\n${data}\r\n`;
    }).join("") + "END\r\n";
  }

  #isBad(key: string): boolean {
    return this.fault === "fails for some" &&
      byteText.encode(key).reduce((sum, byte) => sum + byte, 0) % 4 === 0;
  }
}
