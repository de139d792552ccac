import { isByteWarning } from "../config/logical_lines.ts";
import { ConfigError, ReadOnlyError, TemporaryError } from "../errors.ts";
import type { Problem } from "./parameter_checks.ts";

/** Collects problems, each only once. */
export class Findings {
  readonly problems: Problem[] = [];
  #messages = new Set<string>();

  add = (found: Problem): void => {
    if (this.#messages.has(found.message)) return;
    this.#messages.add(found.message);
    this.problems.push(found);
  };

  addAll(found: Iterable<Problem>): void {
    for (const one of found) this.add(one);
  }

  warn = (message: string): void => {
    if (!isByteWarning(message)) {
      this.add({ severity: "warning", message });
      return;
    }
    const [, file, line] = /^(.*), line (\d+): /s.exec(message) ?? [];
    const place = file === undefined ? {} : { file, line: Number(line) };
    this.add({ severity: "error", message, ...place });
  };

  /** Adds an error of the table. Throws any other error. */
  fail(error: unknown): void {
    this.add({ severity: "error", ...describe(error) });
  }

  /** Returns the result, or `undefined` after adding an error of the table. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  get areGood(): boolean {
    return !this.problems.some(({ severity }) => severity === "error");
  }
}

/** What an error of a table says. Throws any other error. */
export function describe(
  error: unknown,
): { message: string; file?: string; line?: number } {
  if (error instanceof ConfigError) {
    const { message, file, line } = error;
    return {
      message,
      ...(file !== undefined && { file }),
      ...(line !== undefined && { line }),
    };
  }
  if (error instanceof TemporaryError || error instanceof ReadOnlyError) {
    return { message: error.message };
  }
  throw error;
}
