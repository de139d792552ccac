import type { Request } from "./queue.ts";

/** Fails requests whose signal is aborted. Each signal has one listener. */
export class AbortWatch {
  #bySignal = new Map<AbortSignal, Set<Request>>();

  /** Watches a request until it ends; `false` if the signal is already aborted. */
  watch(request: Request, signal: AbortSignal): boolean {
    if (signal.aborted) {
      request.fail(signal.reason);
      return false;
    }
    const requests = this.#bySignal.get(signal) ?? this.#listen(signal);
    requests.add(request);
    const { onEnd } = request;
    request.onEnd = () => {
      onEnd?.();
      requests.delete(request);
      if (requests.size > 0) return;
      this.#bySignal.delete(signal);
      signal.removeEventListener("abort", this.#abort);
    };
    return true;
  }

  #listen(signal: AbortSignal): Set<Request> {
    const requests = new Set<Request>();
    this.#bySignal.set(signal, requests);
    signal.addEventListener("abort", this.#abort);
    return requests;
  }

  #abort = (event: Event): void => {
    const signal = event.target as AbortSignal;
    for (const request of [...this.#bySignal.get(signal) ?? []]) {
      request.isAborted = true;
      request.fail(signal.reason);
    }
  };
}
