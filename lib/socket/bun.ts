import { bunFunctions } from "../system/runtime.ts";
import { connectNode } from "./node.ts";
import { ReceivedBytes } from "./received_bytes.ts";
import type { Endpoint, Socket } from "./socket.ts";

/** The part of a `Bun.Socket` that is used here. */
interface BunConnection {
  /** Sends at once what it can, and returns how much; negative once it is closed. */
  write(data: Uint8Array): number;
  shutdown(): void;
  close(): void;
  pause(): void;
  resume(): void;
  ref(): void;
  unref(): void;
}

/** What `Bun.connect` calls. */
interface Handlers {
  readonly binaryType: "uint8array";
  open(connection: BunConnection): void;
  data(connection: BunConnection, bytes: Uint8Array): void;
  drain(): void;
  end(): void;
  close(connection: BunConnection, error?: Error): void;
  error(connection: BunConnection, error: Error): void;
}

/** The part of Bun that is used here. */
interface BunSockets {
  connect(
    options:
      & { socket: Handlers }
      & (
        { hostname: string; port: number } | { unix: string }
      ),
  ): Promise<unknown>;
}

/** A write whose bytes are not all sent. */
interface UnfinishedWrite {
  rest: Uint8Array;
  resolve(): void;
  reject(error: Error): void;
}

class BunSocket implements Socket {
  readonly received: ReceivedBytes;
  #connection: BunConnection;
  #closed = false;
  #writes: UnfinishedWrite[] = [];

  constructor(connection: BunConnection) {
    this.#connection = connection;
    this.received = new ReceivedBytes(connection);
  }

  read(): Promise<Uint8Array | null> {
    return this.received.read();
  }

  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        return reject(this.received.error ?? new Error("it is closed"));
      }
      this.#writes.push({ rest: data, resolve, reject });
      if (this.#writes.length === 1) this.drained();
    });
  }

  close(): void {
    this.#connection.close();
  }

  endWrite(): Promise<void> {
    this.#connection.shutdown();
    return Promise.resolve();
  }

  setBusy(busy: boolean): void {
    if (busy) this.#connection.ref();
    else this.#connection.unref();
  }

  /** There is room to send more. */
  drained(): void {
    for (let write = this.#writes[0]; write; write = this.#writes[0]) {
      const sent = this.#connection.write(write.rest);
      // Once it is closed, `closed` is called with the reason.
      if (sent < write.rest.length) {
        write.rest = write.rest.subarray(Math.max(sent, 0));
        return;
      }
      this.#writes.shift();
      write.resolve();
    }
  }

  closed(error?: Error): void {
    this.#closed = true;
    this.received.end(error);
    const reason = this.received.error ?? new Error("it was closed");
    for (const write of this.#writes.splice(0)) write.reject(reason);
  }
}

/**
 * Opens sockets with `Bun.connect`, and those with TLS as `connectNode` does. Bun
 * loads its `node:net` in more time than a whole lookup takes.
 *
 * An attempt to connect cannot be stopped: after an abort it goes on, and is closed
 * when it succeeds. So this is for programs that end themselves.
 */
export async function connectBun(
  endpoint: Endpoint,
  { signal }: { signal?: AbortSignal },
): Promise<Socket> {
  if ("tls" in endpoint && endpoint.tls !== undefined) {
    return await connectNode(endpoint, { signal });
  }
  const bun = bunFunctions<BunSockets>()!;
  signal?.throwIfAborted();
  return await new Promise<Socket>((resolve, reject) => {
    let socket: BunSocket | undefined;
    const abort = () => reject(signal!.reason);
    const closed = (_: BunConnection, error?: Error) =>
      socket?.closed(error && worded(error, endpoint));
    const settle = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    bun.connect({
      ...address(endpoint),
      socket: {
        binaryType: "uint8array",
        open(connection) {
          settle();
          if (signal?.aborted) return connection.close();
          resolve(socket = new BunSocket(connection));
        },
        data: (_, bytes) => socket?.received.push(bytes),
        drain: () => socket?.drained(),
        end: () => socket?.received.end(),
        close: closed,
        error: closed,
      },
    }).catch((error) => {
      settle();
      reject(worded(error, endpoint));
    });
  });
}

function address(endpoint: Endpoint) {
  if (endpoint.transport === "unix") return { unix: endpoint.path };
  const { hostname, port } = endpoint;
  return { hostname, port };
}

/** An error in the words of Node; those of Bun do not name the place. */
function worded(error: unknown, endpoint: Endpoint): Error {
  const { code, syscall } = error as { code?: string; syscall?: string };
  if (syscall !== "connect" && syscall !== "read") return error as Error;
  let message = `${syscall} ${code}`;
  if (syscall === "connect") {
    message += "path" in endpoint
      ? ` ${endpoint.path}`
      : ` ${endpoint.hostname}:${endpoint.port}`;
  }
  return Object.assign(new Error(message, { cause: error }), { code });
}
