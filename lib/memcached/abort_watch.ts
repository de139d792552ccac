import { onAbort } from "../system/abort.ts";
import type { Request } from "./queue.ts";

/**
 * Fails a request when its signal is aborted, until it ends; `false` if the signal is
 * already aborted.
 */
export function watchAbort(request: Request, signal: AbortSignal): boolean {
  if (signal.aborted) {
    request.fail(signal.reason);
    return false;
  }
  const { onEnd } = request;
  const leave = onAbort(signal, () => {
    request.isAborted = true;
    request.fail(signal.reason);
  });
  request.onEnd = () => {
    onEnd?.();
    leave();
  };
  return true;
}
