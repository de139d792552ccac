import { longestKey } from "../../memcached/protocol.ts";
import type { DomainList } from "./domain_list.ts";
import type { Digest } from "./key_digest.ts";
import {
  expandKeyFormat,
  isPlainKeyFormat,
  type KeyFormat,
} from "./key_format.ts";
import { type Text, utf8Text } from "../../bytes/text.ts";

/**
 * What became of a lookup key: the memcache key, the reason why there is none,
 * or how long the key would be that is too long to be sent.
 */
export type PreparedKey =
  | { readonly key: string }
  | { readonly skipped: string }
  | { readonly tooLong: number };

/** From lookup key to memcache key. */
export interface KeyRules {
  /** Only keys in these domains; all when there is none. */
  readonly domains?: DomainList;
  /** The key_format, taken apart. */
  readonly format: KeyFormat;
  /** The key_digest, if any. */
  readonly digest?: Digest;
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Whether a key that is too long is skipped, for those it is no failure. */
  readonly skipsLongKeys?: boolean;
}

// deno-lint-ignore no-control-regex -- control characters are what it is after
const spaceOrControl = /[\u0000-\u0020\u007f]/;

/**
 * Prepares a key that was checked and folded. The result is a promise only
 * where a table of the domain list or Web Crypto makes it one.
 */
export function prepareKey(
  rules: KeyRules,
  key: string,
): PreparedKey | Promise<PreparedKey> {
  if (key === "") return { skipped: "the key is empty" };
  if (key.includes("\0")) return { skipped: "the key has a null byte" };
  if (rules.domains === undefined) return expandKey(rules, key);
  const at = key.lastIndexOf("@");
  // As in Postfix an empty domain is for the list to judge: no name matches it,
  // though a table may.
  if (at <= 0) {
    return { skipped: "the key is no user@domain, which a domain list needs" };
  }
  const domain = unicodeText(rules.text, key.slice(at + 1));
  if (domain === undefined) return whenListed(rules, key, false);
  const listed = rules.domains.matches(domain);
  return typeof listed === "boolean"
    ? whenListed(rules, key, listed)
    : listed.then((answer) => whenListed(rules, key, answer));
}

// A domain list is Unicode text also where keys are byte strings.
function unicodeText(text: Text, key: string): string | undefined {
  return text.utf8 ? key : utf8Text.decode(text.encode(key));
}

function whenListed(
  rules: KeyRules,
  key: string,
  listed: boolean,
): PreparedKey | Promise<PreparedKey> {
  return listed
    ? expandKey(rules, key)
    : { skipped: "its domain is not on the domain list" };
}

function expandKey(
  rules: KeyRules,
  key: string,
): PreparedKey | Promise<PreparedKey> {
  const expanded = isPlainKeyFormat(rules.format)
    ? key
    : expandKeyFormat(rules.format, key);
  if (expanded === undefined) {
    return { skipped: "the key lacks a part that key_format asks for" };
  }
  if (expanded === "") return { skipped: "its key_format expansion is empty" };
  if (rules.digest === undefined) return checkKey(rules, expanded);
  const digest = rules.digest(rules.text.encode(expanded));
  return typeof digest === "string"
    ? checkKey(rules, digest)
    : digest.then((answer) => checkKey(rules, answer));
}

function checkKey(
  { text, skipsLongKeys }: KeyRules,
  key: string,
): PreparedKey {
  if (spaceOrControl.test(key)) {
    return {
      skipped: "the memcache key has white space or a control character",
    };
  }
  // A character takes one to three bytes, so most keys need no counting.
  const bytes = key.length * 3 <= longestKey ? 0 : text.encode(key).length;
  if (bytes <= longestKey) return { key };
  if (!skipsLongKeys) return { tooLong: bytes };
  return {
    skipped: `its memcache key has ${bytes} bytes, and memcached takes ` +
      `${longestKey}: set key_digest = sha256`,
  };
}
