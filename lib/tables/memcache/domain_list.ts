import { splitItems } from "../../config/name_value.ts";
import { ConfigError } from "../../errors.ts";

/** A table that a domain list asks, as far as it needs it. */
export interface DomainTable {
  /** The value of a domain. */
  lookup(domain: string): Promise<string | undefined>;
}

/** What a domain list needs from outside. */
export interface DomainSources {
  /** Opens a `type:table` pattern. */
  openTable(name: string): Promise<DomainTable>;
  /** The text of a `/path/file` pattern. */
  readText(path: string): Promise<string>;
  /** Folds domains and patterns. */
  fold(text: string): string;
  /** Told of what is ignored. */
  onWarning(message: string): void;
}

type Pattern =
  & { match: boolean }
  & (
    { domain: string } | { table: DomainTable }
  );

/**
 * The domain list of a memcache table: names, `/path/file`, `type:table`, each
 * negated by a `!`. The first pattern that matches decides.
 *
 * Implements "domain" of memcache_table(5).
 */
export class DomainList {
  #patterns: Pattern[] = [];
  #fold: (text: string) => string;

  private constructor(fold: (text: string) => string) {
    this.#fold = fold;
  }

  /**
   * Reads a list, and the files and tables that it names. Throws
   * {@linkcode ConfigError} when one of them cannot be read.
   */
  static async read(
    text: string,
    sources: DomainSources,
  ): Promise<DomainList> {
    const list = new DomainList(sources.fold);
    await list.#add(text, true, sources, []);
    return list;
  }

  async #add(
    text: string,
    match: boolean,
    sources: DomainSources,
    files: readonly string[],
  ): Promise<void> {
    for (const item of splitItems(text)) {
      if (item.startsWith("#")) {
        sources.onWarning(
          `domain list: "${item}" and the rest of its line is ignored: ` +
            `a comment needs a line of its own`,
        );
        return;
      }
      const pattern = item.replace(/^!+/, "");
      const matches = (item.length - pattern.length) % 2 === 0 ? match : !match;
      if (pattern === "") {
        throw new ConfigError(`domain list: no pattern after "${item}"`);
      } else if (pattern.startsWith("/")) {
        if (files.includes(pattern)) {
          throw new ConfigError(`domain list: includes itself`, {
            file: pattern,
          });
        }
        for (const line of (await sources.readText(pattern)).split("\n")) {
          if (line.startsWith("#")) continue;
          await this.#add(line, matches, sources, [...files, pattern]);
        }
      } else if (!pattern.startsWith("[") && pattern.includes(":")) {
        const table = await sources.openTable(pattern);
        this.#patterns.push({ match: matches, table });
      } else {
        this.#patterns.push({
          match: matches,
          domain: this.#fold(pattern),
        });
      }
    }
  }

  /**
   * Whether a domain is on the list. The answer is a promise only when a table
   * had to be asked, and rejects when that table fails: a failure is not "no".
   */
  matches(domain: string): boolean | Promise<boolean> {
    return this.#matchFrom(0, this.#fold(domain));
  }

  #matchFrom(start: number, domain: string): boolean | Promise<boolean> {
    for (let at = start; at < this.#patterns.length; at++) {
      const pattern = this.#patterns[at];
      if ("table" in pattern) {
        return pattern.table.lookup(domain).then((value) =>
          value === undefined ? this.#matchFrom(at + 1, domain) : pattern.match
        );
      }
      if (pattern.domain === domain) return pattern.match;
    }
    return false;
  }
}
