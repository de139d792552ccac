import { byteText, configText, isUtf8, type Text } from "../../bytes/text.ts";
import {
  beforeNull,
  beginsWithMark,
  isUtf16,
  markWarning,
  nullByteWarning,
  utf16Warning,
} from "../../config/logical_lines.ts";
import { splitItems } from "../../config/name_value.ts";
import { ConfigError, shownText } from "../../errors.ts";
import type { RequestOptions } from "../../table.ts";
import { configuredText } from "../opening.ts";
import type { MemcacheParts } from "./cache.ts";
import { type KeyFilter, lastAt } from "./key_rules.ts";

/** A table in a domain list. */
export interface DomainTable {
  /** The value of a domain; any value means a match. */
  lookup(
    domain: string,
    options?: RequestOptions,
  ): Promise<string | undefined>;
  /** The values of many domains. */
  lookupMany?(
    domains: Iterable<string>,
    options?: RequestOptions,
  ): AsyncIterable<{ readonly key: string; readonly value?: string }>;
}

/** The functions that a domain list uses to read files and tables. */
export interface DomainSources {
  /** How strings of the list and of its tables represent bytes. */
  readonly text: Text;
  /** Opens a `type:table` pattern. */
  openTable(name: string): Promise<DomainTable>;
  /** The `configText` of a `/path/file` pattern. */
  readText(path: string): Promise<string>;
  /** Called with a warning for each ignored part of the list. */
  onWarning(message: string): void;
}

/** Consecutive names, and whether each one matches; or a table. */
type Step =
  | Map<string, boolean>
  | { readonly table: DomainTable; readonly match: boolean };

/**
 * The domain list of a memcache table: names, `/path/file`, `type:table`, each
 * negated by a `!`. The first pattern that matches decides.
 *
 * Implements "domain" of memcache_table(5).
 */
export class DomainList {
  #steps: Step[] = [];
  #sources: DomainSources;
  /** The files and tables of the list. A repeated one has no effect. */
  #added = new Set<string>();
  /** The files that are being read, each included by the one before. */
  #reading = new Set<string>();

  private constructor(sources: DomainSources) {
    this.#sources = sources;
  }

  /**
   * Reads a list, a `configText`, and the files and tables that it names. Throws
   * {@linkcode ConfigError} when one of them cannot be read.
   */
  static async read(
    text: string,
    sources: DomainSources,
  ): Promise<DomainList> {
    const list = new DomainList(sources);
    await list.#add(text, true, "domain list");
    return list;
  }

  async #add(text: string, match: boolean, where: string): Promise<void> {
    for (const item of splitItems(text)) {
      if (item.startsWith("#")) {
        this.#sources.onWarning(
          `${where}: "${
            shownText(item)
          }" and the rest of its line is ignored: ` +
            `a comment needs a line of its own`,
        );
        return;
      }
      const pattern = item.replace(/^!+/, "");
      const negated = (item.length - pattern.length) % 2 === 1;
      const matches = negated ? !match : match;
      if (pattern === "") {
        throw new ConfigError(
          `${where}: no pattern after "${shownText(item)}"`,
        );
      }
      if (pattern.startsWith("/")) await this.#addFile(pattern, matches);
      else if (!pattern.startsWith("[") && pattern.includes(":")) {
        await this.#addTable(pattern, matches);
      } else {
        if (beginsWithMark(pattern)) {
          this.#sources.onWarning(
            `${where}: ${markWarning("pattern", pattern)}`,
          );
        }
        this.#addName(pattern, matches);
      }
    }
  }

  async #addFile(file: string, match: boolean): Promise<void> {
    if (this.#reading.has(file)) {
      throw new ConfigError(`domain list: includes itself`, { file });
    }
    if (this.#added.has(file)) return;
    this.#added.add(file);
    this.#reading.add(file);
    const lines = (await this.#sources.readText(file)).split("\n");
    for (const [at, line] of lines.entries()) {
      if (line.startsWith("#")) continue;
      const where = `${file}, line ${at + 1}`;
      if (at === 0 && isUtf16(line)) {
        this.#sources.onWarning(`${where}: ${utf16Warning}`);
      }
      const used = beforeNull(line);
      if (used !== line) {
        this.#sources.onWarning(`${where}: ${nullByteWarning}`);
      }
      await this.#add(used, match, where);
    }
    this.#reading.delete(file);
  }

  async #addTable(name: string, match: boolean): Promise<void> {
    if (this.#added.has(name)) return;
    this.#added.add(name);
    this.#steps.push({ match, table: await this.#sources.openTable(name) });
  }

  #addName(pattern: string, match: boolean): void {
    const { text } = this.#sources;
    const name = text.fold(configuredText(text, pattern));
    let names = this.#steps.at(-1);
    if (!(names instanceof Map)) this.#steps.push(names = new Map());
    if (!names.has(name)) names.set(name, match);
  }

  /**
   * Whether a domain, a byte string, is on the list. Returns a promise only when a
   * table decides; it rejects when that table fails, or the signal is aborted.
   */
  matches(domain: string, signal?: AbortSignal): boolean | Promise<boolean> {
    return this.#matchFrom(0, this.#fold(domain), signal);
  }

  #fold(domain: string): string {
    const { text } = this.#sources;
    const string = text.utf8 && notAscii.test(domain)
      ? configText(byteText.encode(domain))
      : domain;
    return text.fold(string);
  }

  /** Whether a table may be asked for many domains at once. */
  get hasTable(): boolean {
    return this.#steps.some((step) =>
      !(step instanceof Map) && step.table.lookupMany !== undefined
    );
  }

  /**
   * Whether domains, byte strings, are on the list. Asks each table once, for all that
   * it must decide. If a table fails, those that it had to decide are missing: ask
   * `matches` for them, which tells the error of the right one.
   */
  async matchMany(
    domains: Iterable<string>,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, boolean>> {
    const known = new Map<string, boolean>();
    let open = Array.from(
      new Set(domains),
      (domain) => ({ domain, folded: this.#fold(domain) }),
    );
    for (const step of this.#steps) {
      let matches: Map<string, boolean>;
      try {
        matches = step instanceof Map
          ? step
          : await listed(step, open.map(({ folded }) => folded), signal);
      } catch {
        return known;
      }
      open = open.filter(({ domain, folded }) => {
        const match = matches.get(folded);
        if (match !== undefined) known.set(domain, match);
        return match === undefined;
      });
    }
    for (const { domain } of open) known.set(domain, false);
    return known;
  }

  #matchFrom(
    start: number,
    domain: string,
    signal: AbortSignal | undefined,
  ): boolean | Promise<boolean> {
    for (let at = start; at < this.#steps.length; at++) {
      const step = this.#steps[at];
      if (step instanceof Map) {
        const match = step.get(domain);
        if (match !== undefined) return match;
      } else if (isUtf8(domain)) {
        return step.table.lookup(domain, { signal }).then((value) =>
          value === undefined
            ? this.#matchFrom(at + 1, domain, signal)
            : step.match
        );
      }
    }
    return false;
  }
}

const notAscii = /[\u0080-\u00ff]/;

/** The domains that a table of the list has, and that they match. */
async function listed(
  { table, match }: Exclude<Step, Map<string, boolean>>,
  domains: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>();
  const names = new Set(domains.filter((domain) => isUtf8(domain)));
  if (names.size === 1) {
    const [name] = names;
    if (await table.lookup(name, { signal }) !== undefined) {
      found.set(name, match);
    }
  }
  if (names.size < 2) return found;
  for await (const { key, value } of table.lookupMany!(names, { signal })) {
    if (value !== undefined) found.set(key, match);
  }
  return found;
}

/**
 * A function that finds out for the keys of a batch which of their domains are on the
 * list; `undefined` if no table makes that worth it.
 */
export function domainsOfBatch(
  domains: DomainList,
): MemcacheParts["knowDomains"] {
  if (!domains.hasTable) return undefined;
  return ({ bytes, starts, ends }, signal) => {
    const some = new Set<string>();
    for (let number = 0; number < starts.length; number++) {
      const start = starts[number];
      if (start < 0) continue;
      const at = lastAt(bytes, start, ends[number]);
      if (at <= start) continue;
      some.add(byteText.decode(bytes.subarray(at + 1, ends[number]))!);
    }
    return domains.matchMany(some, signal);
  };
}

/** A filter that excludes keys without a domain, or with one not on the list. */
export function outsideOf(domains: DomainList): KeyFilter {
  const verdict = (isListed: boolean) =>
    isListed ? undefined : "its domain is not on the domain list";
  return (source, start, end, asking) => {
    const at = lastAt(source, start, end);
    // As in Postfix, an empty domain is looked up in the list: no name matches it,
    // but a table may.
    if (at <= start) {
      return "the key is no user@domain, which a domain list needs";
    }
    const domain = byteText.decode(source.subarray(at + 1, end))!;
    const isListed = asking?.known?.get(domain) ??
      domains.matches(domain, asking?.signal);
    return typeof isListed === "boolean"
      ? verdict(isListed)
      : isListed.then(verdict);
  };
}
