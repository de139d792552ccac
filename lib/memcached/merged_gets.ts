import { ByteStringsBuilder, stringAt } from "../bytes/byte_strings.ts";
import { ExchangeRequest } from "./exchange.ts";
import { GetMany } from "./get_many.ts";
import { keyOfGet, type ReplyLimits } from "./protocol.ts";
import { CommandRequest, type Request, type RequestQueue } from "./queue.ts";

/** The lookups of several callers, merged into lines of many keys. */
class MergedGets extends GetMany {
  #requests: readonly CommandRequest[];
  #values: ByteStringsBuilder;
  #singles = new Set<number>();

  constructor(
    requests: readonly CommandRequest[],
    size: number,
    values: ByteStringsBuilder,
    limits: ReplyLimits,
  ) {
    super(requests.length, size, values, limits);
    this.#requests = requests;
    this.#values = values;
    // By index, here and below: iterators are memory for the garbage collector.
    for (let number = 0; number < requests.length; number++) {
      const key = keyOfGet(requests[number].bytes);
      this.beginKey().append(key, 0, key.length);
      this.endKey(number);
    }
    this.finish();
  }

  /** Answers the lookups that have a reply; the others are sent one by one. */
  override unfinished(maxTry: number): CommandRequest[] {
    const open = super.unfinished(maxTry);
    for (let number = 0; number < this.#requests.length; number++) {
      const request = this.#requests[number];
      if (this.#singles.has(number)) continue;
      const data = stringAt(this.#values, number);
      request.answer(
        data === undefined
          ? { kind: "not found" }
          : { kind: "value", data, broken: false },
      );
    }
    return open;
  }

  protected override single(number: number): CommandRequest {
    this.#singles.add(number);
    const request = this.#requests[number];
    request.isMergeable = false;
    return request;
  }
}

// Merging fewer lookups than this is slower; more than this are sent in parts.
const fewestMerged = 8;
const mostMerged = 1000;

/**
 * Takes the first request off a queue. If many lookups are at its head, takes all
 * of them, as one exchange.
 */
export function mergeGets(queue: RequestQueue, limits: ReplyLimits): Request {
  const requests: CommandRequest[] = [];
  let size = 0;
  for (
    let one = queue.head;
    one instanceof CommandRequest && one.isMergeable &&
    requests.length < mostMerged;
    one = one.next
  ) size += requests.push(one) && one.bytes.length;
  if (requests.length < fewestMerged) return queue.shift()!;
  for (let taken = 0; taken < requests.length; taken++) queue.shift();
  const values = new ByteStringsBuilder(requests.length, size);
  const merged = new ExchangeRequest(
    new MergedGets(requests, size, values, limits),
    0,
    () => {},
    (error) => {
      for (const request of requests) request.fail(error);
    },
  );
  for (const { mustEndAt } of requests) {
    merged.mustEndAt = Math.min(merged.mustEndAt, mustEndAt);
  }
  return merged;
}
