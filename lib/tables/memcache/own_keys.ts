import type { Text } from "../../bytes/text.ts";
import { listKeys } from "../../memcached/key_listing.ts";
import type { ReportingServer } from "../../memcached/server_report.ts";
import type { KeyFormat } from "./key_format.ts";

/** Calls `onKeys` with the lookup keys that one table has in memcached. */
export type ListOwnKeys = (
  onKeys: (keys: readonly string[]) => Promise<void>,
) => Promise<void>;

/**
 * Makes the function that lists the keys of a table in memcached. `undefined`
 * unless key_format is a text, `%s` and perhaps another text, without a digest:
 * otherwise lookup keys cannot be recognized. With `fold`, a key in upper case
 * belongs to another program, since no lookup uses it.
 */
export function ownKeysOf(
  server: ReportingServer,
  { format, hasDigest, fold, text }: {
    format: KeyFormat;
    hasDigest: boolean;
    fold: boolean;
    text: Text;
  },
): ListOwnKeys | undefined {
  const [prefix, key, suffix, ...more] = format.parts;
  if (
    hasDigest || prefix === undefined || !("literal" in prefix) ||
    key === undefined || !("expand" in key) || key.expand !== "s" ||
    suffix !== undefined && !("literal" in suffix) || more.length > 0
  ) return undefined;
  const before = prefix.literal;
  const after = suffix?.literal ?? "";
  return async (onKeys) => {
    await listKeys(server, async (memcacheKeys) => {
      const keys: string[] = [];
      for (const bytes of memcacheKeys) {
        const isOwn = bytes.length > before.length + after.length &&
          hasAt(bytes, before, 0) &&
          hasAt(bytes, after, bytes.length - after.length);
        if (!isOwn) continue;
        const end = bytes.length - after.length;
        const key = text.decode(bytes.subarray(before.length, end));
        if (key === undefined) continue;
        if (!fold || text.fold(key) === key) keys.push(key);
      }
      await onKeys(keys);
    });
  };
}

/** Whether the bytes have this byte string at `start`. */
function hasAt(bytes: Uint8Array, literal: string, start: number): boolean {
  for (let at = 0; at < literal.length; at++) {
    if (bytes[start + at] !== literal.charCodeAt(at)) return false;
  }
  return true;
}
