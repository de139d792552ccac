import type { Text } from "../../bytes/text.ts";
import { listKeys } from "../../memcached/key_listing.ts";
import type { ReportingServer } from "../../memcached/server_report.ts";
import type { KeyFormat } from "./key_format.ts";

/** Tells of the lookup keys of all entries that memcached has of one table. */
export type ListOwnKeys = (
  onKeys: (keys: readonly string[]) => Promise<void>,
) => Promise<void>;

/**
 * What lists the entries that memcached has of a table; `undefined` where they
 * cannot be told from those of others, or have no lookup key: without a text
 * before `%s` in key_format, with other parts, or with a digest. Where keys are
 * folded, one that is not folded is somebody else's: no lookup asks for it.
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
  const behind = suffix?.literal ?? "";
  return async (onKeys) => {
    await listKeys(server, async (memcacheKeys) => {
      const keys: string[] = [];
      for (const bytes of memcacheKeys) {
        const isOwn = bytes.length > before.length + behind.length &&
          has(bytes, before, 0) &&
          has(bytes, behind, bytes.length - behind.length);
        if (!isOwn) continue;
        const end = bytes.length - behind.length;
        const key = text.decode(bytes.subarray(before.length, end));
        if (key === undefined) continue;
        if (!fold || text.fold(key) === key) keys.push(key);
      }
      await onKeys(keys);
    });
  };
}

/** Whether a byte string stands at a place of some bytes. */
function has(bytes: Uint8Array, literal: string, start: number): boolean {
  for (let at = 0; at < literal.length; at++) {
    if (bytes[start + at] !== literal.charCodeAt(at)) return false;
  }
  return true;
}
