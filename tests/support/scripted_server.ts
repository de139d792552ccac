import { latin1 } from "./latin1.ts";

/** What the server does: sends bytes, closes the connection, or does nothing more. */
export type Step = string | Uint8Array | "CLOSE" | "RESET" | "HANG";

/** A request. Connections, and requests on a connection, are numbered from 0. */
export interface ReceivedRequest {
  connection: number;
  request: number;
  /** The command line, without its end. */
  line: string;
}

/**
 * A server that follows a script, for faults that a real memcached does not have.
 * Each string of the script is sent in a separate write.
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
  #script: (request: ReceivedRequest) => readonly Step[];

  constructor(script: (request: ReceivedRequest) => readonly Step[]) {
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
      // The client closed the connection, or the test ended.
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
    // It is already closed.
  }
}
