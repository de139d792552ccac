import type { Exchange, Shortfall } from "./exchange.ts";
import type { Command, Reply } from "./protocol.ts";

/** What all requests have in common. */
interface Waiting {
  /** Bytes of its commands, or about so many. */
  readonly size: number;
  readonly reject: (error: unknown) => void;
  /** Nobody waits for it any more. */
  abandoned: boolean;
  /** The next one in its queue. */
  next?: Request;
}

/** A single command. */
export interface CommandRequest extends Waiting {
  readonly command: Command;
  /** The memcache key of a `get` that may be sent in one line with others. */
  mergeKey: string | undefined;
  /** What is sent. */
  readonly bytes: () => Uint8Array;
  readonly resolve: (reply: Reply) => void;
  /** Tries that failed. */
  tries: number;
}

/** Many commands that are sent once. */
export interface ExchangeRequest extends Waiting {
  readonly command: undefined;
  readonly exchange: Exchange;
  readonly resolve: (shortfall: Shortfall | undefined) => void;
  /** A part of its replies has come. */
  begun: boolean;
}

/** What waits for its turn, or for its replies. */
export type Request = CommandRequest | ExchangeRequest;

/** Requests in their order. */
export class RequestQueue {
  /** The first. */
  head: Request | undefined;
  /** Bytes of all commands. */
  size = 0;
  #tail: Request | undefined;

  /** Adds one at the end. */
  push(request: Request): void {
    if (this.#tail === undefined) this.head = request;
    else this.#tail.next = request;
    this.#tail = request;
    this.size += request.size;
  }

  /** Takes the first off. */
  shift(): Request | undefined {
    const request = this.head;
    if (request === undefined) return undefined;
    this.head = request.next;
    if (this.head === undefined) this.#tail = undefined;
    request.next = undefined;
    this.size -= request.size;
    return request;
  }

  /** Takes all off. */
  takeAll(): Request[] {
    const all: Request[] = [];
    for (let one = this.shift(); one !== undefined; one = this.shift()) {
      all.push(one);
    }
    return all;
  }

  /** Puts some before all others. */
  putBack(requests: readonly Request[]): void {
    if (requests.length === 0) return;
    const later = this.takeAll();
    for (const request of requests) this.push(request);
    for (const request of later) this.push(request);
  }
}
