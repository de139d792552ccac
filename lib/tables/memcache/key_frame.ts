import { byteText } from "../../bytes/text.ts";
import type { KeyFrame } from "../../memcached/get_many.ts";
import type { KeyRules } from "./key_rules.ts";

/**
 * The frame that makes memcache keys of lookup keys, where the rules have
 * nothing else for them: most tables have a key_format like `aliases:%s`.
 */
export function frameOf(rules: KeyRules): KeyFrame | undefined {
  const { domains, digest, format, skipsLongKeys } = rules;
  if (domains !== undefined || digest !== undefined || skipsLongKeys) {
    return undefined;
  }
  const around = ["", ""];
  let keys = 0;
  for (const part of format.parts) {
    if ("literal" in part) around[keys] += part.literal;
    else if (part.expand !== "s" || ++keys > 1) return undefined;
  }
  if (keys === 0) return undefined;
  const [prefix, suffix] = around;
  return { prefix: byteText.encode(prefix), suffix: byteText.encode(suffix) };
}
