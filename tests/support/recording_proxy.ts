import type { Memcached } from "./memcached.ts";
import { latin1 } from "./latin1.ts";

/** A proxy for a real memcached that records the commands. */
export class RecordingProxy implements AsyncDisposable {
  readonly server: string;
  /** Command lines, as byte strings, since the last `take`. */
  #lines: string[] = [];
  #connections = 0;
  #listener: Deno.TcpListener;
  #open = new Set<Deno.Conn>();
  #serving: Promise<void>;

  constructor(memcached: Memcached) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.server = `inet:127.0.0.1:${this.#listener.addr.port}`;
    this.#serving = this.#serve(memcached.address as Deno.ConnectOptions);
  }

  /** Returns what was recorded since the last call. */
  take(): { lines: string[]; connections: number } {
    const taken = { lines: this.#lines, connections: this.#connections };
    this.#lines = [];
    this.#connections = 0;
    return taken;
  }

  async #serve(address: Deno.ConnectOptions): Promise<void> {
    const pumps: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) {
        this.#connections++;
        const server = await Deno.connect(address);
        client.setNoDelay();
        server.setNoDelay();
        this.#open.add(client).add(server);
        pumps.push(this.#pump(client, server, new Commands()));
        pumps.push(this.#pump(server, client, undefined));
      }
    } catch {
      // The listener was closed.
    }
    await Promise.all(pumps);
  }

  async #pump(
    from: Deno.Conn,
    to: Deno.Conn,
    commands: Commands | undefined,
  ): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const length = await from.read(buffer);
        if (length === null) break;
        const bytes = buffer.slice(0, length);
        commands?.add(this.#lines, latin1(bytes));
        for (let sent = 0; sent < length;) {
          sent += await to.write(bytes.subarray(sent));
        }
      }
    } catch {
      // One end was closed.
    }
    for (const connection of [from, to]) {
      if (!this.#open.delete(connection)) continue;
      connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    await this.#serving;
  }
}

/** Finds the command lines in what a client sends. */
class Commands {
  #unread = "";

  add(lines: string[], bytes: string): void {
    this.#unread += bytes;
    let end: number;
    while ((end = this.#unread.indexOf("\r\n")) >= 0) {
      const line = this.#unread.slice(0, end);
      const size = /^set .* (\d+)$/.exec(line)?.[1];
      const used = end + 2 + (size === undefined ? 0 : Number(size) + 2);
      if (this.#unread.length < used) return;
      this.#unread = this.#unread.slice(used);
      lines.push(line);
    }
  }
}
