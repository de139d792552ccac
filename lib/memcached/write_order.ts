import type { ExchangeRequest } from "./exchange.ts";
import { CommandRequest, type Request } from "./queue.ts";

/**
 * Prevents an older write from replacing a newer one of the same key. Writes are
 * sent in order; a failed write is not retried if a newer write of its key was sent
 * or executed during its pause.
 */
export class WriteOrder {
  #last = 0;
  /** How many writes wait for their next try. */
  #waiting = 0;
  /** The newest executed write of each key, recorded while others wait. */
  #done = new Map<string, number>();

  /** Gives a request its place; each of its commands counts. */
  add(request: Request): void {
    request.order = this.#last + 1;
    this.#last += request.count;
  }

  /** Records commands that failed and wait for their next try. */
  wait(requests: readonly CommandRequest[]): void {
    for (const { command } of requests) if (command !== "get") this.#waiting++;
  }

  /** Records writes that were executed. */
  done(request: Request): void {
    if (this.#waiting > 0) addNewest(this.#done, request, true);
  }

  /**
   * Returns the commands that may be retried now; those with a newer write of the
   * same key fail. `sent` are the heads of two queues: requests in flight, and
   * requests that wait to be sent.
   */
  dropSuperseded(
    requests: readonly CommandRequest[],
    sent: readonly (Request | undefined)[],
  ): CommandRequest[] {
    const newest = new Map(this.#done);
    for (const head of sent) {
      for (let one = head; one !== undefined; one = one.next) {
        addNewest(newest, one, false);
      }
    }
    const left = requests.filter((request) => {
      if (request.command === "get") return true;
      this.#waiting--;
      if ((newest.get(keyOf(request)) ?? 0) <= request.order) return true;
      if (request.refusal?.about === "entry") request.endRefused();
      else request.fail(request.lastError);
      return false;
    });
    if (this.#waiting === 0) this.#done.clear();
    return left;
  }
}

/** Adds the writes of a request to `newest`; `isDone` selects as in Exchange. */
function addNewest(
  newest: Map<string, number>,
  request: Request,
  isDone: boolean,
): void {
  const add = (key: string, order: number) => {
    if (order > (newest.get(key) ?? 0)) newest.set(key, order);
  };
  const { order } = request;
  if (request instanceof CommandRequest) {
    if (request.command !== "get") add(keyOf(request), order);
    return;
  }
  const { exchange } = request as ExchangeRequest;
  for (const [at, key] of exchange.keys?.(isDone) ?? []) add(key, order + at);
}

/** The key in the bytes of `set KEY …` or `delete KEY`. */
function keyOf({ bytes }: CommandRequest): string {
  const start = bytes.indexOf(32) + 1;
  let end = start;
  while (bytes[end] > 32) end++;
  return String.fromCharCode(...bytes.subarray(start, end));
}
