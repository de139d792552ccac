import {
  ByteStringsBuilder,
  countOf,
  encodeAsciiStrings,
  stringAt,
} from "../bytes/byte_strings.ts";

import { GetMany, noFrame } from "./get_many.ts";
import type { ReplyLimits } from "./protocol.ts";
import type { CommandRequest, ExchangeRequest } from "./queue.ts";

/**
 * Makes one exchange of the `get` requests of several callers. What it leaves
 * unanswered is handed back, to be asked alone. `undefined` when a key is not
 * ASCII.
 */
export function mergeGets(
  requests: readonly CommandRequest[],
  limits: ReplyLimits & { readonly maxTry: number },
  askAlone: (requests: CommandRequest[]) => void,
): ExchangeRequest | undefined {
  const keys = encodeAsciiStrings(requests.map(({ mergeKey }) => mergeKey!));
  if (keys === undefined) return undefined;
  const count = countOf(keys);
  const size = keys.bytes.length;
  const values = new ByteStringsBuilder(count, size);
  const gets = new GetMany(count, size, values, limits);
  for (let at = 0; at < count; at++) {
    gets.add(at, keys.bytes, keys.starts[at], keys.ends[at], noFrame);
  }
  const exchange = gets.finish();
  return {
    command: undefined,
    exchange,
    size: exchange.bytes.length,
    abandoned: false,
    begun: false,
    reject: (error) => {
      for (const request of requests) request.reject(error);
    },
    resolve: (shortfall) => {
      const unanswered = new Set(gets.unanswered().map(({ at }) => at));
      const rest: CommandRequest[] = [];
      for (const [at, request] of requests.entries()) {
        const data = stringAt(values, at);
        if (data !== undefined) {
          request.resolve({ kind: "value", data, broken: false });
        } else if (!unanswered.has(at)) request.resolve({ kind: "not found" });
        else {
          request.mergeKey = undefined;
          request.tries += shortfall?.tries ?? 0;
          if (request.tries < limits.maxTry) rest.push(request);
          else request.reject(shortfall!.error);
        }
      }
      askAlone(rest);
    },
  };
}
