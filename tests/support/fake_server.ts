import { byteText } from "../../lib/bytes/text.ts";
import type { Connect, Socket } from "../../lib/socket/socket.ts";

/** The server's end of a connection that exists in memory alone. */
export class FakeConnection {
  /** What the client sent and was not taken yet. */
  #sent: string[] = [];
  #wakeTaker: (() => void) | undefined;
  #chunks: (Uint8Array | null)[] = [];
  #wakeReader: (() => void) | undefined;
  closed = false;
  #markClosed = () => {};
  /** Settles when the client closes the connection. */
  readonly whenClosed = new Promise<void>((resolve) =>
    this.#markClosed = resolve
  );
  busy: boolean[] = [];
  /** Makes writes fail, as a reset connection does. */
  failWrites = false;

  readonly socket: Socket = {
    read: async () => {
      while (this.#chunks.length === 0) {
        if (this.closed) throw new Error("operation canceled");
        await new Promise<void>((resolve) => this.#wakeReader = resolve);
      }
      return this.#chunks.shift()!;
    },
    write: (data) => {
      if (this.failWrites) return Promise.reject(new Error("Broken pipe"));
      this.#sent.push(byteText.decode(data)!);
      this.#wakeTaker?.();
      return Promise.resolve();
    },
    close: () => {
      this.closed = true;
      this.#markClosed();
      this.#wakeReader?.();
    },
    setBusy: (busy) => {
      this.busy.push(busy);
    },
  };

  /** Whether the client sent something that was not taken. */
  get hasRequest(): boolean {
    return this.#sent.length > 0;
  }

  /** The next write of the client. */
  async take(): Promise<string> {
    while (this.#sent.length === 0) {
      await new Promise<void>((resolve) => this.#wakeTaker = resolve);
    }
    return this.#sent.shift()!;
  }

  /** Sends a string to the client, one chunk. */
  send(text: string): void {
    this.#chunks.push(byteText.encode(text));
    this.#wakeReader?.();
  }

  /** Ends the stream. */
  end(): void {
    this.#chunks.push(null);
    this.#wakeReader?.();
  }
}

/** Takes connections of a client, and hands their other ends to a test. */
export class FakeServer {
  readonly connections: FakeConnection[] = [];
  /** What the next connects do instead. */
  readonly refusals: (() => Promise<Socket>)[] = [];
  attempts = 0;
  #wake: (() => void) | undefined;

  readonly connect: Connect = async () => {
    this.attempts++;
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return await refusal();
    const connection = new FakeConnection();
    this.connections.push(connection);
    this.#wake?.();
    return connection.socket;
  };

  /** The connection of that number, when it is there. */
  async connection(number: number): Promise<FakeConnection> {
    while (this.connections.length <= number) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.connections[number];
  }
}
