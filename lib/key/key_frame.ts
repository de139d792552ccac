import type { KeyRules } from "./memcache_key.ts";

/** What surrounds each lookup key in its memcache key. */
export interface KeyFrame {
  /** Before it. */
  readonly prefix: Uint8Array;
  /** After it. */
  readonly suffix: Uint8Array;
}

/** The frame of a key that is a memcache key already. */
export const noFrame: KeyFrame = {
  prefix: new Uint8Array(0),
  suffix: new Uint8Array(0),
};

/**
 * The frame that makes memcache keys of lookup keys, where the rules have
 * nothing else for them: most tables have a key_format like `aliases:%s`.
 */
export function frameOf(rules: KeyRules): KeyFrame | undefined {
  const { domains, digest, format, text, skipsLongKeys } = rules;
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
  return { prefix: text.encode(prefix), suffix: text.encode(suffix) };
}
