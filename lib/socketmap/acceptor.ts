import { reasonOf } from "../errors.ts";
import type { Listener, Socket } from "../socket/socket.ts";
import type { Clock } from "../system/clock.ts";

// Errors of accept() that last until some program frees a resource: the server
// pauses before it tries again. All others concern one client that has left.
const resourceCodes = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];
const resourceMessages =
  /too many open files|no buffer space|cannot allocate memory/i;
const longPause = 1000;
// An unexpected error that lasts must not keep the processor busy.
const shortPause = 10;
const failuresInARow = 100;

/** Takes the clients of a listener, also after a failure to take one. */
export class Acceptor {
  #listener: Listener;
  #clock: Clock;
  #onWarning: (reason: string) => void;
  #closed = false;
  #endPause: (() => void) | undefined;

  /** `onWarning` is called with each reason why no client can be taken. */
  constructor(
    listener: Listener,
    clock: Clock,
    onWarning: (message: string) => void,
  ) {
    this.#listener = listener;
    this.#clock = clock;
    this.#onWarning = onWarning;
  }

  /** Calls `take` with each client, until it is closed. Never rejects. */
  async run(take: (socket: Socket) => void): Promise<void> {
    let failures = 0;
    while (!this.#closed) {
      let socket: Socket | null;
      try {
        socket = await this.#listener.accept();
        failures = 0;
      } catch (error) {
        const reason = reasonOf(error);
        if (isOutOfResources(error) || resourceMessages.test(reason)) {
          this.#onWarning(`cannot take a client: ${reason}`);
          await this.#pause(longPause);
        } else if (++failures % failuresInARow === 0) {
          await this.#pause(shortPause);
        }
        continue;
      }
      if (socket === null) break;
      if (this.#closed) socket.close();
      else take(socket);
    }
  }

  /** A client has left: what it used may be enough for the next one. */
  resume(): void {
    this.#endPause?.();
  }

  /** Takes no more clients. May be called twice. */
  close(): void {
    this.#closed = true;
    this.#listener.close();
    this.#endPause?.();
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.#closed) return;
    const timer = this.#clock.setTimer(milliseconds, () => this.#endPause?.());
    await new Promise<void>((resolve) => this.#endPause = resolve);
    this.#endPause = undefined;
    timer.cancel();
  }
}

function isOutOfResources(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code !== undefined && resourceCodes.includes(code);
}
