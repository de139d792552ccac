import { byteText } from "../../lib/bytes/text.ts";
import type { Connect, Socket } from "../../lib/socket/socket.ts";

/** The server's end of a connection in memory. */
export class FakeConnection {
  /** What the client sent and the test did not take yet. */
  #sent: string[] = [];
  #wakeTaker: (() => void) | undefined;
  #chunks: (Uint8Array | null)[] = [];
  #wakeReader: (() => void) | undefined;
  closed = false;
  #markClosed = () => {};
  /** Resolves when the client closes the connection. */
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

  /** Whether the client sent something that the test did not take. */
  get hasRequest(): boolean {
    return this.#sent.length > 0;
  }

  /** Waits for the next write of the client, and takes it. */
  async take(): Promise<string> {
    while (this.#sent.length === 0) {
      await new Promise<void>((resolve) => this.#wakeTaker = resolve);
    }
    return this.#sent.shift()!;
  }

  /** Sends a string to the client in one chunk. */
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

/** Accepts the connections of a client in memory. */
export class FakeServer {
  readonly connections: FakeConnection[] = [];
  /** Replaces the next calls of `connect`. */
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

  /** Waits for the connection with this number. */
  async connection(number: number): Promise<FakeConnection> {
    while (this.connections.length <= number) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.connections[number];
  }
}
