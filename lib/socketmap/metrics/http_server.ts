import { byteText } from "../../bytes/text.ts";
import { formatEndpoint } from "../../socket/endpoint.ts";
import type { Listener, Socket } from "../../socket/socket.ts";
import type { Clock, Timer } from "../../system/clock.ts";
import { Acceptor } from "../acceptor.ts";
import {
  endOfHead,
  formatAnswer,
  type HttpAnswer,
  type HttpRequest,
  parseRequest,
} from "./http_message.ts";

/** Answers a request. */
export type AnswerHttp = (request: HttpRequest) => Promise<HttpAnswer>;

const mostClients = 32;
/** The longest head of a request, in bytes. */
const longestHead = 8192;
// Milliseconds in which a client must have sent its request, or taken its answer.
const patience = 10_000;
// How long, and how much, a client may still send after its answer.
const lingerTime = 2000;
const lingerBytes = 65_536;
// Milliseconds for the answers under way when the server is closed.
const drainTime = 2000;

/**
 * A small HTTP/1.1 server for GET and HEAD, one request to a connection. A client
 * that is slow, or does not read, holds one of 32 connections for ten seconds at
 * most, and only while nobody else needs it.
 */
export class HttpServer {
  /** Where it listens. */
  readonly endpoint: string;
  #acceptor: Acceptor;
  #answer: AnswerHttp;
  #clock: Clock;
  /** The connections, the oldest first. */
  #clients = new Set<HttpClient>();
  #ended: Promise<void>;

  /** Takes over a listener. */
  constructor(
    listener: Listener,
    answer: AnswerHttp,
    { clock, onWarning }: {
      clock: Clock;
      onWarning: (message: string) => void;
    },
  ) {
    this.endpoint = formatEndpoint(listener.endpoint);
    this.#answer = answer;
    this.#clock = clock;
    this.#acceptor = new Acceptor(listener, clock, onWarning);
    this.#ended = this.#acceptor.run((socket) => this.#take(socket));
  }

  /**
   * Stops listening and disconnects all clients, those whose request was read after
   * their answer, or after two seconds. May be called twice.
   */
  async close(): Promise<void> {
    this.#acceptor.close();
    for (const client of this.#clients) client.finish();
    const timer = this.#clock.setTimer(drainTime, () => {
      for (const client of this.#clients) client.close();
    });
    await this.#ended;
    await Promise.all([...this.#clients].map(({ ended }) => ended));
    timer.cancel();
  }

  #take(socket: Socket): void {
    if (this.#clients.size >= mostClients) this.#makeRoom();
    const client = new HttpClient(socket, this.#answer, this.#clock);
    this.#clients.add(client);
    void client.ended.then(() => {
      this.#clients.delete(client);
      this.#acceptor.resume();
    });
  }

  /**
   * Disconnects the oldest client for which the server waits, or else the oldest that
   * waits for its answer: it may have left long ago.
   */
  #makeRoom(): void {
    const clients = [...this.#clients];
    const oldest = clients.find(({ isAnswering }) => !isAnswering) ??
      clients[0];
    this.#clients.delete(oldest);
    oldest.close();
  }
}

/** One connection, with one request. */
class HttpClient {
  /** Resolves when it is closed. Never rejects. */
  readonly ended: Promise<void>;
  #socket: Socket;
  #clock: Clock;
  #timer: Timer | undefined;
  #state: "request" | "answer" | "reply" | "linger" | "closed" = "request";
  #endWait = () => {};

  constructor(socket: Socket, answer: AnswerHttp, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.ended = this.#run(answer);
  }

  /** Whether the client waits for the server. */
  get isAnswering(): boolean {
    return this.#state === "answer";
  }

  /** Closes it when the request that was read is answered. */
  finish(): void {
    if (this.#state === "request" || this.#state === "linger") this.close();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#timer?.cancel();
    this.#socket.close();
    this.#endWait();
  }

  async #run(answer: AnswerHttp): Promise<void> {
    try {
      this.#closeIn(patience);
      const head = await this.#readHead();
      if (head === undefined) return;
      this.#timer?.cancel();
      this.#state = "answer";
      const closed = new Promise<undefined>((resolve) =>
        this.#endWait = () => resolve(undefined)
      );
      const bytes = await Promise.race([answerHead(head, answer), closed]);
      if (bytes === undefined) return;
      this.#state = "reply";
      this.#closeIn(patience);
      await this.#socket.write(bytes);
      await this.#linger();
    } catch {
      // The connection broke, or was closed.
    } finally {
      this.close();
    }
  }

  #closeIn(milliseconds: number): void {
    this.#timer?.cancel();
    if (this.#state === "closed") return;
    this.#timer = this.#clock.setTimer(milliseconds, () => this.close());
  }

  /**
   * The head of the request as a byte string, or what came of one that is too long.
   * `undefined` if the client leaves before.
   */
  async #readHead(): Promise<string | undefined> {
    for (let head = "";;) {
      const bytes = await this.#socket.read();
      if (bytes === null) return undefined;
      // Empty lines before a request are none of its lines.
      head = (head + byteText.decode(bytes)!).replace(/^[\r\n]+/, "");
      const end = endOfHead(head);
      if (end >= 0 && end <= longestHead) return head.slice(0, end);
      if (head.length > longestHead || !mayBeRequest(head)) return head;
    }
  }

  /**
   * Ends the sending side, and waits until the client leaves. If a connection is
   * closed that still has unread data, the client may lose the answer.
   */
  async #linger(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "linger";
    this.#closeIn(lingerTime);
    await this.#socket.endWrite?.();
    for (let left = lingerBytes; left > 0;) {
      const bytes = await this.#socket.read();
      if (bytes === null) return;
      left -= bytes.length;
    }
  }
}

/** Whether this can be the start of a request: no TLS, and no netstring. */
function mayBeRequest(head: string): boolean {
  return head === "" || /^[A-Za-z]/.test(head);
}

/** The answer to a request, as bytes. Never rejects. */
async function answerHead(
  head: string,
  answer: AnswerHttp,
): Promise<Uint8Array> {
  if (head.length > longestHead) {
    return formatAnswer({ status: 431, body: "the request is too long\n" });
  }
  const request = parseRequest(head);
  if (request === undefined) {
    return formatAnswer({ status: 400, body: "this is no HTTP/1.1 request\n" });
  }
  const failed = { status: 500, body: "the answer failed\n" };
  const answered = await answer(request).catch(() => failed);
  return formatAnswer(answered, { isHead: request.method === "HEAD" });
}
