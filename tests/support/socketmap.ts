import { latin1 } from "./latin1.ts";

/** The bytes of a byte string. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The netstring of a byte string. */
export function netstring(data: string): string {
  return `${data.length}:${data},`;
}

/** A client that can send anything. Texts are byte strings. */
export class RawClient implements Disposable {
  readonly connection: Deno.TcpConn | Deno.UnixConn;
  #buffer = new Uint8Array(65536);
  #unread = "";
  #closed = false;

  constructor(connection: Deno.TcpConn | Deno.UnixConn) {
    this.connection = connection;
  }

  /** Connects to `inet:HOST:PORT` or `unix:PATH`. */
  static async connect(endpoint: string): Promise<RawClient> {
    if (endpoint.startsWith("unix:")) {
      const path = endpoint.slice("unix:".length);
      return new RawClient(await Deno.connect({ transport: "unix", path }));
    }
    const [, hostname, port] = endpoint.split(":");
    return new RawClient(await Deno.connect({ hostname, port: Number(port) }));
  }

  async send(text: string): Promise<void> {
    const bytes = bytesOf(text);
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.connection.write(bytes.subarray(sent));
    }
  }

  /** Reads the data of the next reply; `undefined` at the end. */
  async reply(): Promise<string | undefined> {
    for (;;) {
      const size = /^(\d+):/.exec(this.#unread);
      if (size !== null) {
        const start = size[0].length;
        const end = start + Number(size[1]);
        if (this.#unread.length > end) {
          const data = this.#unread.slice(start, end);
          if (this.#unread[end] !== ",") throw new Error("no comma");
          this.#unread = this.#unread.slice(end + 1);
          return data;
        }
      }
      const length = await this.connection.read(this.#buffer);
      if (length === null) {
        if (this.#unread !== "") throw new Error(`half: ${this.#unread}`);
        return undefined;
      }
      this.#unread += latin1(this.#buffer.subarray(0, length));
    }
  }

  /** Sends a request, and returns the data of the reply. */
  async ask(request: string): Promise<string | undefined> {
    await this.send(netstring(request));
    return await this.reply();
  }

  /** Waits until the server closes or resets the connection. */
  async ended(): Promise<void> {
    try {
      while (await this.connection.read(this.#buffer) !== null);
    } catch {
      // It was reset.
    }
  }

  /** All bytes until the server ends or resets the connection. */
  async rest(): Promise<string> {
    let text = "";
    try {
      for (let length; (length = await this.#read()) !== null;) {
        text += latin1(this.#buffer.subarray(0, length));
      }
    } catch {
      // It was reset.
    }
    return text;
  }

  #read(): Promise<number | null> {
    return this.connection.read(this.#buffer);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.close();
  }
}
