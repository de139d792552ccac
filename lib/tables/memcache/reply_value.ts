import type { Text } from "../../bytes/text.ts";
import { NotUtf8Error } from "../../errors.ts";
import { beforeNull, type Reply } from "../../memcached/protocol.ts";

/**
 * The value in the reply to the lookup of a key; `undefined` if it has none. Throws
 * {@linkcode NotUtf8Error} when the value is not text.
 */
export function valueOf(
  reply: Reply,
  name: string,
  key: string,
  text: Text,
): string | undefined {
  if (reply.kind !== "value") return undefined;
  const data = beforeNull(reply.data);
  const value = text.decode(data);
  if (value === undefined) throw new NotUtf8Error(name, key, data.slice());
  return value;
}
