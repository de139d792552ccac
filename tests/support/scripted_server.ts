import { latin1 } from "./latin1.ts";

/** What a server does about a request: sends bytes, in pieces, or goes away. */
export type Step = string | Uint8Array | "CLOSE" | "RESET" | "HANG";

/** One request, numbered from 0 on its connection. */
export interface Seen {
  connection: number;
  request: number;
  /** The command line, without its end. */
  line: string;
}

/**
 * A server that plays a part: for the faults that memcached would not make.
 * Each string of a script is sent by itself.
 */
export class ScriptedServer implements AsyncDisposable {
  readonly port: number;
  /** The command lines, in order. */
  readonly lines: string[] = [];
  connections = 0;
  #listener: Deno.TcpListener;
  #open = new Set<Deno.TcpConn>();
  #serving: Promise<void>;
  #work = new Set<Promise<void>>();
  #script: (seen: Seen) => readonly Step[];

  constructor(script: (seen: Seen) => readonly Step[]) {
    this.#script = script;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#serving = this.#serve();
  }

  get server(): string {
    return `inet:127.0.0.1:${this.port}`;
  }

  async #serve(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        connection.setNoDelay();
        this.#open.add(connection);
        const work = this.#converse(connection, this.connections++);
        this.#work.add(work);
        work.finally(() => this.#work.delete(work));
      }
    } catch {
      // The listener was closed.
    }
  }

  async #converse(connection: Deno.TcpConn, number: number): Promise<void> {
    const buffer = new Uint8Array(65536);
    let unread = "";
    let request = 0;
    try {
      for (;;) {
        let end: number;
        while ((end = unread.indexOf("\r\n")) >= 0) {
          const line = unread.slice(0, end);
          const size = /^set \S+ \S+ \S+ (\d+)$/.exec(line)?.[1];
          const used = end + 2 + (size === undefined ? 0 : Number(size) + 2);
          if (unread.length < used) break;
          unread = unread.slice(used);
          this.lines.push(line);
          const steps = this.#script({
            connection: number,
            request: request++,
            line,
          });
          for (const step of steps) {
            if (step === "CLOSE" || step === "RESET") return;
            if (step === "HANG") {
              return await this.#untilGone(connection, buffer);
            }
            await sendAll(connection, step);
          }
        }
        const length = await connection.read(buffer);
        if (length === null) return;
        unread += latin1(buffer.subarray(0, length));
      }
    } catch {
      // The client went away, or the test ended.
    } finally {
      this.#open.delete(connection);
      closeQuietly(connection);
    }
  }

  async #untilGone(
    connection: Deno.TcpConn,
    buffer: Uint8Array,
  ): Promise<void> {
    while (await connection.read(buffer) !== null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) closeQuietly(connection);
    await this.#serving;
    await Promise.all(this.#work);
  }
}

async function sendAll(
  connection: Deno.TcpConn,
  step: string | Uint8Array,
): Promise<void> {
  const bytes = typeof step === "string"
    ? Uint8Array.from(step, (character) => character.charCodeAt(0))
    : step;
  for (let sent = 0; sent < bytes.length;) {
    sent += await connection.write(bytes.subarray(sent));
  }
}

function closeQuietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}
