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

/** The options of a {@linkcode ProxymapClient}. */
export interface ProxymapClientOptions {
  /** The name of the table in messages. */
  readonly table: string;
  /** The socket of the service. */
  readonly endpoint: Endpoint & { transport: "unix" };
  /** Opens the socket. */
  readonly connect: Connect;
  /** The clock for time-outs. */
  readonly clock?: Clock;
}

const timeLimit = 30_000; // milliseconds
const longestReply = 16 * 1024 * 1024;

interface Connection {
  readonly socket: Socket;
  used: boolean;
}

/**
 * A connection to proxymap(8), which the first request opens. It sends one request
 * at a time. The service may close an idle connection at any time: when a request
 * fails on a used connection, it is sent again on a new one.
 */
export class ProxymapClient {
  #options: ProxymapClientOptions;
  #connection: Connection | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed: { reason: unknown } | undefined;

  /** Does not connect yet. */
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

  /** Ends the current request with `reason`, and closes the connection. */
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
      const mayRetry = connection.used;
      connection.used = true;
      try {
        return await this.#inTime(connection.socket, bytes);
      } catch (cause) {
        this.#drop();
        this.#mustBeOpen();
        if (!mayRetry) throw this.#failure(cause);
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

  /** Sends `bytes`, if any, and reads one message, within the time limit. */
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
