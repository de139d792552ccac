import { formatEndpoint } from "../socket/endpoint.ts";
import type { Clock, Timer } from "../system/clock.ts";
import type { ConnectionEvent } from "./connection_event.ts";
import type { Endpoint } from "../socket/socket.ts";
import type { Connection } from "./connection.ts";
import { CommandRequest, type Request } from "./queue.ts";

// Milliseconds until an unused connection is closed. Until then it keeps the
// process alive.
const idleMilliseconds = 100;

// Milliseconds until the next attempt, after one failed.
const failedMilliseconds = 60_000;

// A server that has enough connections accepts one more, and refuses the first
// command. So a connection gets lookups when it has answered this one.
const probe = new TextEncoder().encode("get memcache-table\r\n");

/** What a client does for its further connections. */
export interface MoreConnectionsOwner {
  /** Those of the client. */
  readonly options: {
    readonly table: string;
    readonly endpoint: Endpoint;
    readonly connections?: number;
    readonly onDetail?: (message: string) => void;
    readonly observe?: (event: ConnectionEvent) => void;
  };
  readonly clock: Clock;
  /** Bytes in flight on each connection that make another one worth it. */
  readonly worthAnother: number;
  /** Starts to connect. */
  readonly open: () => Connection;
}

/** What is known of a further connection. */
interface Further {
  readonly probe: CommandRequest;
  /** Whether it has answered the probe. */
  isReady: boolean;
  /** Whether it was used since the last look for idle ones. */
  isUsed: boolean;
}

/**
 * The connections that a client has beside its first one, for lookups only: writes
 * keep their order on the first. They are opened while many lookups are under way,
 * and closed soon after.
 */
export class MoreConnections {
  #owner: MoreConnectionsOwner;
  #all = new Map<Connection, Further>();
  #isOpening = false;
  #watching: Timer | undefined;
  #failedAt = -Infinity;

  /** Opens none yet. */
  constructor(owner: MoreConnectionsOwner) {
    this.#owner = owner;
  }

  /**
   * The connection for the next lookups: where least is under way. Opens another one
   * if all have much to do.
   */
  choose(first: Connection): Connection {
    let chosen = first;
    for (const [connection, { isReady }] of this.#all) {
      if (!isReady || !connection.isOpen) continue;
      const isLess = connection.flight.size < chosen.flight.size;
      if (isLess || !chosen.isOpen) chosen = connection;
    }
    const { worthAnother } = this.#owner;
    if (chosen.flight.size >= worthAnother) this.#openAnother();
    const further = this.#all.get(chosen);
    if (further !== undefined) further.isUsed = true;
    return chosen;
  }

  #openAnother(): void {
    const { options, clock, open } = this.#owner;
    const { connections = 1 } = options;
    if (this.#isOpening || this.#all.size + 1 >= connections) return;
    if (clock.now() - this.#failedAt < failedMilliseconds) return;
    this.#isOpening = true;
    const start = clock.now();
    const connection = open();
    const request = new CommandRequest("get", probe, 1, () => {
      this.#isOpening = false;
      further.isReady = true;
      options.observe?.({
        kind: "connect",
        again: false,
        milliseconds: clock.now() - start,
      });
      this.#watch();
    }, () => {
      // Where it has ended already, it is forgotten.
      if (!this.#all.has(connection)) return;
      connection.close(undefined);
      this.forget(connection, request.refusal!.reason);
    });
    const further = { probe: request, isReady: false, isUsed: true };
    this.#all.set(connection, further);
  }

  /** The connection is open: it is asked whether it works. */
  opened(connection: Connection): void {
    const further = this.#all.get(connection);
    if (further === undefined) return;
    const { probe } = further;
    connection.send([probe], probe.bytes, this.#owner.clock.now());
  }

  /**
   * Forgets a connection that ended with so many requests under way, or was not
   * opened. Returns `false` if it was never ready: then no lookup was sent on it.
   */
  forget(connection: Connection, reason: string, underWay = 0): boolean {
    const { isReady } = this.#all.get(connection)!;
    this.#all.delete(connection);
    if (!isReady) this.#isOpening = false;
    // The next one could fail as well, and cost the same lookups another try.
    if (!isReady || underWay > 0) this.#goOnWithout(reason);
    return isReady;
  }

  #goOnWithout(reason: string): void {
    const { clock, options: { table, endpoint, onDetail } } = this.#owner;
    this.#failedAt = clock.now();
    onDetail?.(
      `${table}: memcached at ${formatEndpoint(endpoint)}: ` +
        `no further connection: ${reason}`,
    );
  }

  /** The first connection ended. Takes out a connection that becomes the first one. */
  takeFirst(): Connection | undefined {
    // What ends all of them, such as a restart, says nothing about further ones.
    this.#failedAt = -Infinity;
    for (const [connection, { isReady }] of this.#all) {
      if (!isReady) continue;
      this.#all.delete(connection);
      return connection;
    }
    return undefined;
  }

  /** Closes all. Returns the lookups without a reply. */
  close(reason: unknown): Request[] {
    this.#watching?.cancel();
    const left: Request[] = [];
    for (const [connection, { probe, isReady }] of this.#all) {
      if (isReady) this.#disconnected("the table was closed");
      for (const request of connection.close(reason)) {
        if (request !== probe) left.push(request);
      }
    }
    this.#all.clear();
    return left;
  }

  /** Closes those that were not used for a while. */
  #watch(): void {
    this.#watching ??= this.#owner.clock.setTimer(idleMilliseconds, () => {
      this.#watching = undefined;
      for (const [connection, further] of this.#all) {
        const isBusy = connection.flight.head !== undefined;
        if (!further.isReady || further.isUsed || isBusy) {
          further.isUsed = false;
          continue;
        }
        this.#all.delete(connection);
        connection.close(undefined);
        this.#disconnected("a further connection is not needed any more");
      }
      if (this.#all.size > 0) this.#watch();
    });
  }

  #disconnected(reason: string): void {
    this.#owner.options.observe?.({ kind: "disconnect", reason });
  }
}
