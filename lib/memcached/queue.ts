import type { Command, Refusal, Reply } from "./protocol.ts";
import type { ReplyParser } from "./reply_parser.ts";

/**
 * Which commands in flight have a failed try when a connection ends: none, the next
 * one to be answered, or all.
 */
export type Blame = "none" | "next" | "all";

/** The part of a connection that a request uses to read its replies. */
export interface ReplyReader {
  /** Parses the replies to single commands. */
  readonly parser: ReplyParser;
  /** How many replies were read. */
  replies: number;
  /** Whether the server executed a command, or refused just its key or value. */
  hasServed: boolean;
  /** The first request in flight has all of its replies. */
  done(): void;
  /** Sends nothing more, and ends when no request is in flight. */
  drain(): void;
  /** Ends the connection, because nothing more can be read. */
  end(reason: string, blame?: Blame): void;
}

/** What happens to a request whose connection ended. */
export interface LeftOver {
  /** Requests to send again at once. */
  readonly again: readonly Request[];
  /** Commands that have a failed try. */
  readonly tried: readonly CommandRequest[];
}

/** Sends requests. */
export interface RequestSender {
  /** How many times a command is tried by default. */
  readonly maxTry: number;
  /** Sends a request. The request itself handles its replies. */
  send(request: Request, signal?: AbortSignal): void;
}

/** Receives the events of a request and of its commands. */
export interface RequestOwner {
  /** The server refused a command. */
  refused(request: CommandRequest, refusal: Refusal): void;
  /** The server executed writes. */
  written(request: Request): void;
  /** Sends requests before all others. */
  sendAgain(requests: readonly Request[]): void;
}

/** One command, or many that are sent together, until its replies are read. */
export abstract class Request {
  /** The next request of its queue. */
  next: Request | undefined;
  /** Its signal is aborted: nobody waits for it any more. */
  isAborted = false;
  /** The latest time of its end, in milliseconds. */
  mustEndAt = Infinity;
  /** Whether it was sent at least once. */
  isSent = false;
  /** Its place among all writes. */
  order = 0;
  /** How many times each of its commands is tried. */
  readonly maxTry: number;
  /** Called when it has ended, with success or not. */
  onEnd: (() => void) | undefined;
  #reject: (error: unknown) => void;

  /** Calls `reject` when it fails as a whole. */
  constructor(maxTry: number, reject: (error: unknown) => void) {
    this.maxTry = maxTry;
    this.#reject = reject;
  }

  abstract readonly count: number;
  /** Whether it only looks up. */
  abstract readonly isLookup: boolean;
  abstract readonly bytes: Uint8Array;
  /** Prepares to read its first reply. */
  abstract expect(reader: ReplyReader): void;
  /** Reads its replies in `bytes` from `start`; returns where it stopped. */
  abstract read(
    reader: ReplyReader,
    bytes: Uint8Array,
    start: number,
    owner: RequestOwner,
  ): number;
  /** Whether a part of the next reply was read. */
  abstract hasPart(reader: ReplyReader): boolean;
  /** No more bytes follow. Answers it from those read; `false` if that fails. */
  abstract end(reader: ReplyReader, reason: string): boolean;
  /** What happens to it after its connection ended. */
  abstract leftOver(blame: Blame, owner: RequestOwner): LeftOver;
  abstract failEach(error: unknown): void;

  /** Fails it as a whole. */
  fail(error: unknown): void {
    this.#reject(error);
    this.onEnd?.();
  }
}

/** A single command. */
export class CommandRequest extends Request {
  override readonly count = 1;
  override readonly isLookup: boolean;
  override readonly bytes: Uint8Array;
  readonly command: Command;
  /** Whether it is a lookup that can share a line with others. */
  isMergeable = false;
  /** How many tries failed. */
  tries = 0;
  /** The last refusal of the server, if any. */
  refusal: Refusal | undefined;
  /** Why the last try failed. */
  lastError: unknown;
  #resolve: (reply: Reply) => void;

  /** Calls `resolve` with a reply that is not a failure, or `reject`. */
  constructor(
    command: Command,
    bytes: Uint8Array,
    maxTry: number,
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
  ) {
    super(maxTry, reject);
    this.command = command;
    this.isLookup = command === "get";
    this.bytes = bytes;
    this.#resolve = resolve;
  }

  override expect({ parser }: ReplyReader): void {
    const { command, bytes } = this;
    parser.start(command, command === "get" ? bytes : undefined);
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
      if (reply.about === "command") reader.drain();
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

  override hasPart({ parser }: ReplyReader): boolean {
    return parser.hasPart;
  }

  override end({ parser }: ReplyReader, reason: string): boolean {
    const reply = parser.end(reason);
    if (reply.kind !== "value") return false;
    // The value is complete; only its closing line is missing.
    this.answer(reply);
    return true;
  }

  override leftOver(blame: Blame): LeftOver {
    return blame === "none"
      ? { again: [this], tried: [] }
      : { again: [], tried: [this] };
  }

  override failEach(error: unknown): void {
    this.fail(error);
  }

  /**
   * Ends it after its key or value was refused. That is the result of a `set`. Of
   * others nothing is known: the value may exist.
   */
  endRefused(): void {
    if (this.command === "set") this.answer(this.refusal!);
    else this.fail(this.lastError);
  }

  /** Completes it with a reply. */
  answer(reply: Reply): void {
    this.#resolve(reply);
    this.onEnd?.();
  }
}

/** Requests, first in, first out. */
export class RequestQueue {
  head: Request | undefined;
  /** Bytes of all requests. */
  size = 0;
  #tail: Request | undefined;

  push(request: Request): void {
    if (this.#tail === undefined) this.head = request;
    else this.#tail.next = request;
    this.#tail = request;
    this.size += request.bytes.length;
  }

  shift(): Request | undefined {
    const request = this.head;
    if (request === undefined) return undefined;
    this.head = request.next;
    if (this.head === undefined) this.#tail = undefined;
    request.next = undefined;
    this.size -= request.bytes.length;
    return request;
  }

  takeAll(): Request[] {
    const all: Request[] = [];
    for (let one = this.shift(); one !== undefined; one = this.shift()) {
      all.push(one);
    }
    return all;
  }

  /** Puts requests before all others. */
  putBack(requests: readonly Request[]): void {
    const later = this.takeAll();
    for (const request of [...requests, ...later]) this.push(request);
  }
}
