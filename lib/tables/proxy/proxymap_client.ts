import { type Clock, systemClock } from "../../system/clock.ts";
import {
  ClosedError,
  ConfigError,
  reasonOf,
  TemporaryError,
} from "../../errors.ts";
import type { Connect, Endpoint, Socket } from "../../socket/socket.ts";
import {
  AttributeParser,
  type Attributes,
  encodeAttributes,
} from "./attributes.ts";

/** What a client needs to know of the service. */
export interface ProxymapClientOptions {
  /** Names the table in messages. */
  readonly table: string;
  /** The socket of the service. */
  readonly endpoint: Endpoint & { transport: "unix" };
  /** Opens the socket. */
  readonly connect: Connect;
  /** The time. */
  readonly clock?: Clock;
}

const timeLimit = 30_000;
const longestReply = 16 * 1024 * 1024;

interface Connection {
  readonly socket: Socket;
  used: boolean;
}

/**
 * One lazy connection to proxymap(8), one request at a time. The service ends
 * connections as it likes: a request on one that was used before is made again
 * on a new one.
 */
export class ProxymapClient {
  #options: ProxymapClientOptions;
  #connection: Connection | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed: { reason: unknown } | undefined;

  /** Connects to nothing yet. */
  constructor(options: ProxymapClientOptions) {
    this.#options = options;
  }

  /** Sends a request and returns the reply's attributes. */
  request(attributes: Attributes): Promise<Map<string, Uint8Array>> {
    const bytes = encodeAttributes(attributes);
    const reply = this.#last.then(() => this.#exchange(bytes));
    this.#last = reply.catch(() => undefined);
    return reply;
  }

  /** Ends the request that is under way, and the connection. */
  async close(reason?: unknown): Promise<void> {
    this.#closed ??= {
      reason: reason ??
        new ClosedError(this.#options.table),
    };
    this.#drop();
    await this.#last;
  }

  #mustBeOpen(): void {
    if (this.#closed !== undefined) throw this.#closed.reason;
  }

  #drop(): void {
    this.#connection?.socket.close();
    this.#connection = undefined;
  }

  async #exchange(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
    for (;;) {
      this.#mustBeOpen();
      const connection = this.#connection ??= await this.#open();
      const again = connection.used;
      connection.used = true;
      try {
        return await this.#inTime(connection.socket, bytes);
      } catch (cause) {
        this.#drop();
        this.#mustBeOpen();
        if (!again) throw this.#failure(cause);
      }
    }
  }

  async #open(): Promise<Connection> {
    const { connect, endpoint } = this.#options;
    let socket: Socket;
    try {
      socket = await connect(endpoint, {});
    } catch (cause) {
      if (cause instanceof ConfigError) throw cause;
      throw this.#failure(cause);
    }
    try {
      const greeting = await this.#inTime(socket, undefined);
      const protocol = new TextDecoder().decode(greeting.get("protocol"));
      if (protocol !== "" && protocol !== "proxymap_protocol") {
        throw new Error(`it speaks ${protocol}`);
      }
      return { socket, used: false };
    } catch (cause) {
      socket.close();
      throw this.#failure(cause);
    }
  }

  /** Sends, if there is something to send, and reads one message. */
  async #inTime(
    socket: Socket,
    bytes: Uint8Array | undefined,
  ): Promise<Map<string, Uint8Array>> {
    const { clock = systemClock } = this.#options;
    let late = false;
    const timer = clock.setTimer(timeLimit, () => {
      late = true;
      socket.close();
    });
    try {
      if (bytes !== undefined) await socket.write(bytes);
      const parser = new AttributeParser(longestReply);
      while (parser.message === undefined) {
        const chunk = await socket.read();
        if (chunk === null) throw new Error("it closed the connection");
        parser.push(chunk);
        if (parser.broken) throw new Error("its reply makes no sense");
      }
      return parser.message;
    } catch (cause) {
      if (late) throw new Error(`no answer within ${timeLimit / 1000} s`);
      throw cause;
    } finally {
      timer.cancel();
    }
  }

  #failure(cause: unknown): TemporaryError {
    const { table, endpoint } = this.#options;
    return new TemporaryError(
      `${table}: Postfix's service at unix:${endpoint.path} (is it running, and ` +
        `may you reach it?): ${reasonOf(cause)}`,
      { cause },
    );
  }
}
