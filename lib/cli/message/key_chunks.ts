import {
  type ByteStrings,
  ByteStringsBuilder,
  endsBeforeNull,
  lineStrings,
} from "../../bytes/byte_strings.ts";
import { byteText } from "../../bytes/text.ts";
import { readChunks, type ReadOptions } from "../input.ts";
import type { MessageKeys } from "./message_keys.ts";

// How many keys a chunk may have more than lines: the empty line that is missing
// after the headers, and the header that ends with the message.
const moreKeys = 2;

/**
 * Reads a message from standard input, and yields its keys, some at a time. Stops
 * reading when no further line can be a key.
 */
export async function* readMessageKeys(
  message: MessageKeys,
  reading: ReadOptions,
): AsyncGenerator<ByteStrings> {
  for await (const chunk of readChunks(reading)) {
    const keys = keysOfChunk(message, chunk);
    // Who gets keys gives memory back for them, so it must not be done here too.
    if (keys.starts.length > 0) yield keys;
    else reading.reusable?.push(chunk);
    if (message.done) break;
  }
  const last = message.end();
  if (last.length === 0) return;
  const keys = new ByteStringsBuilder(last.length, 1024);
  for (const [at, key] of last.entries()) keys.putText(at, key, byteText);
  yield keys;
}

/** Whether all lines are of the body, and no boundaries. */
function isPlain(
  message: MessageKeys,
  { bytes, starts }: ByteStrings,
): boolean {
  for (let at = 0; at < starts.length; at++) {
    if (!message.isPlainBody(bytes, starts[at])) return false;
  }
  return true;
}

/** The keys that the lines of a chunk complete. */
export function keysOfChunk(
  message: MessageKeys,
  chunk: Uint8Array,
): ByteStrings {
  const lines = lineStrings(chunk);
  const { starts, ends } = lines;
  const cutEnds = endsBeforeNull(lines);
  if (message.hasBodyKeys && isPlain(message, lines)) {
    return { bytes: chunk, starts, ends: cutEnds };
  }
  const keys = new ByteStringsBuilder(starts.length + moreKeys, chunk.length);
  let count = 0;
  for (let at = 0; at < starts.length && !message.done; at++) {
    const start = starts[at];
    const end = ends[at];
    // Most lines are of the body: for these no string is made.
    if (message.isPlainBody(chunk, start)) {
      if (message.hasBodyKeys) keys.put(count++, chunk, start, cutEnds[at]);
      continue;
    }
    const line = byteText.decode(chunk.subarray(start, end))!;
    for (const key of message.push(line)) {
      keys.putText(count++, key, byteText);
    }
  }
  return {
    bytes: keys.bytes,
    starts: keys.starts.subarray(0, count),
    ends: keys.ends.subarray(0, count),
  };
}
