import type { Text } from "../key/text.ts";

/** The commands that the table uses. */
export type Command = "get" | "set" | "delete";

/** The bytes of `get KEY`. */
export function encodeGet(text: Text, key: string): Uint8Array {
  return text.encode(`get ${key}\r\n`);
}

/** The bytes of `delete KEY`. */
export function encodeDelete(text: Text, key: string): Uint8Array {
  return text.encode(`delete ${key}\r\n`);
}

/**
 * The bytes of `set KEY FLAGS TTL LENGTH` and its data, in one piece: sent in
 * two, the second waits for the server's delayed acknowledgement of the first.
 */
export function encodeSet(
  text: Text,
  key: string,
  value: Uint8Array,
  flags: number,
  ttl: number,
): Uint8Array {
  const head = text.encode(`set ${key} ${flags} ${ttl} ${value.length}\r\n`);
  const request = new Uint8Array(head.length + value.length + 2);
  request.set(head);
  request.set(value, head.length);
  request[request.length - 2] = 13;
  request[request.length - 1] = 10;
  return request;
}
