import { longestKey } from "../../memcached/protocol.ts";
import type { DomainList } from "./domain_list.ts";
import type { Digest } from "./key_digest.ts";
import {
  expandKeyFormat,
  isPlainKeyFormat,
  type KeyFormat,
} from "./key_format.ts";
import { byteText, type Text } from "../../bytes/text.ts";

/**
 * What became of a lookup key: the memcache key, a byte string, the reason why
 * there is none, or how long the key would be that is too long to be sent.
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
  const listed = rules.domains.matches(
    byteString(rules.text, key.slice(at + 1)),
  );
  return typeof listed === "boolean"
    ? whenListed(rules, key, listed)
    : listed.then((answer) => whenListed(rules, key, answer));
}

/** The bytes of a string, one character for each. */
export function byteString(text: Text, key: string): string {
  return text.utf8 && notAscii.test(key)
    ? byteText.decode(text.encode(key))!
    : key;
}

const notAscii = /[\u0080-\uffff]/;

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
  const bytes = byteString(rules.text, key);
  const expanded = isPlainKeyFormat(rules.format)
    ? bytes
    : expandKeyFormat(rules.format, bytes);
  if (expanded === undefined) {
    return { skipped: "the key lacks a part that key_format asks for" };
  }
  if (expanded === "") return { skipped: "its key_format expansion is empty" };
  if (rules.digest === undefined) return checkKey(rules, expanded);
  const digest = rules.digest(byteText.encode(expanded));
  return typeof digest === "string"
    ? checkKey(rules, digest)
    : digest.then((answer) => checkKey(rules, answer));
}

function checkKey(
  { skipsLongKeys }: KeyRules,
  key: string,
): PreparedKey {
  if (spaceOrControl.test(key)) {
    return {
      skipped: "the memcache key has white space or a control character",
    };
  }
  if (key.length <= longestKey) return { key };
  if (!skipsLongKeys) return { tooLong: key.length };
  return {
    skipped: `its memcache key has ${key.length} bytes, and memcached takes ` +
      `${longestKey}: set key_digest = sha256`,
  };
}
