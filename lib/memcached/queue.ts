import {
  type Command,
  keyOfGet,
  type Refusal,
  type Reply,
} from "./protocol.ts";
import type { ReplyParser } from "./reply_parser.ts";

/** Whose try it was that a connection ended: of no command, the next one, or all. */
export type Failed = "none" | "next" | "all";

/** A connection, as a request knows it that reads its replies. */
export interface ReplyReader {
  /** Reads single replies. */
  readonly parser: ReplyParser;
  /** How many replies were read. */
  replies: number;
  /** Whether a command was carried out, or refused for its entry alone. */
  hasServed: boolean;
  /** The request has its reply. */
  done(): void;
  /** What follows cannot be read. */
  end(reason: string, failed?: Failed): void;
}

/** What is to be done with a request whose connection ended. */
export interface LeftOver {
  /** What is sent again at once. */
  readonly again: readonly Request[];
  /** What has used up a try. */
  readonly tried: readonly CommandRequest[];
}

/** Sends requests. */
export interface RequestSender {
  /** Tries of a command, unless told otherwise. */
  readonly maxTry: number;
  /** Sends a request, which knows what to do with its replies. */
  send(request: Request, signal?: AbortSignal): void;
}

/** Whom a request tells what becomes of its commands. */
export interface RequestOwner {
  /** A command was refused. */
  refused(request: CommandRequest, refusal: Refusal): void;
  /** Writes were done. */
  written(request: Request): void;
  /** Commands are to be sent. */
  sendAgain(requests: readonly Request[]): void;
}

/** What waits to be sent, or for its replies. */
export abstract class Request {
  /** The next one in its queue. */
  next: Request | undefined;
  /** Nobody waits for it any more. */
  isAbandoned = false;
  /** When it ends at the latest, in milliseconds. */
  mustEndAt = Infinity;
  /** Whether it was sent, once or more. */
  isSent = false;
  /** Its place among all writes. */
  order = 0;
  /** Tries of each of its commands. */
  readonly maxTry: number;
  /** Called when it has ended, in whatever way. */
  onEnd: (() => void) | undefined;
  #reject: (error: unknown) => void;

  /** Calls `reject` when it fails as a whole. */
  constructor(maxTry: number, reject: (error: unknown) => void) {
    this.maxTry = maxTry;
    this.#reject = reject;
  }

  /** How many commands it has. */
  abstract readonly count: number;
  /** What is sent, in one piece. */
  abstract readonly bytes: Uint8Array;
  /** Prepares to read the replies from the first one on. */
  abstract expect(reader: ReplyReader): void;
  /** Reads from `start` on, as far as the replies go; returns where it stopped. */
  abstract read(
    reader: ReplyReader,
    bytes: Uint8Array,
    start: number,
    owner: RequestOwner,
  ): number;
  /** Whether a part of the next reply has come. */
  abstract isInside(reader: ReplyReader): boolean;
  /** No more bytes come; whether it can be answered by those that came. */
  abstract end(reader: ReplyReader, reason: string): boolean;
  /**
   * What is to be done now that the connection has ended, with a failure of this
   * request, or of none or all.
   */
  abstract leftOver(failed: Failed, owner: RequestOwner): LeftOver;
  /** Fails each of its commands. */
  abstract failEach(error: unknown): void;

  /** Ends it with an error. */
  fail(error: unknown): void {
    this.#reject(error);
    this.onEnd?.();
  }
}

/** A single command. */
export class CommandRequest extends Request {
  override readonly count = 1;
  override readonly bytes: Uint8Array;
  /** Which command it is. */
  readonly command: Command;
  /** Whether it is a lookup that may go out in one line with others. */
  isMergeable = false;
  /** Tries that failed. */
  tries = 0;
  /** How the server refused it the last time, if it did. */
  refusal: Refusal | undefined;
  /** Why its last try failed. */
  lastError: unknown;
  #resolve: (reply: Reply) => void;

  /** Calls `resolve` with a reply that is no failure, or `reject`. */
  constructor(
    command: Command,
    bytes: Uint8Array,
    maxTry: number,
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
  ) {
    super(maxTry, reject);
    this.command = command;
    this.bytes = bytes;
    this.#resolve = resolve;
  }

  override expect({ parser }: ReplyReader): void {
    const { command, bytes } = this;
    parser.start(command, command === "get" ? keyOfGet(bytes) : undefined);
  }

  override read(
    reader: ReplyReader,
    bytes: Uint8Array,
    start: number,
    owner: RequestOwner,
  ): number {
    const { parser } = reader;
    const at = parser.push(bytes, start);
    const { reply } = parser;
    if (reply === undefined) return at;
    if (reply.kind === "failure") reader.end(reply.reason, "next");
    else if (reply.kind === "refused") {
      reader.done();
      if (reply.about === "entry") reader.hasServed = true;
      owner.refused(this, reply);
      if (reply.about === "doubtful") reader.end(reply.reason);
    } else {
      reader.done();
      reader.hasServed = true;
      this.answer(reply);
      if (this.command !== "get") owner.written(this);
      else if (reply.kind === "value" && reply.broken) {
        reader.end("a reply did not end as it should");
      }
    }
    return at;
  }

  override isInside({ parser }: ReplyReader): boolean {
    return parser.isInside;
  }

  override end({ parser }: ReplyReader, reason: string): boolean {
    const reply = parser.end(reason);
    if (reply.kind !== "value") return false;
    // A value counts, though what closes it did not come.
    this.answer(reply);
    return true;
  }

  override leftOver(failed: Failed): LeftOver {
    return failed === "none"
      ? { again: [this], tried: [] }
      : { again: [], tried: [this] };
  }

  override failEach(error: unknown): void {
    this.fail(error);
  }

  /** Ends it with its reply. */
  answer(reply: Reply): void {
    this.#resolve(reply);
    this.onEnd?.();
  }
}

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
    this.size += request.bytes.length;
  }

  /** Takes the first off. */
  shift(): Request | undefined {
    const request = this.head;
    if (request === undefined) return undefined;
    this.head = request.next;
    if (this.head === undefined) this.#tail = undefined;
    request.next = undefined;
    this.size -= request.bytes.length;
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
    const later = this.takeAll();
    for (const request of [...requests, ...later]) this.push(request);
  }
}
