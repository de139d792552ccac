import { systemClock } from "../system/clock.ts";
import { drawProgress } from "./streams.ts";
import { terminal } from "./terminal.ts";

// Milliseconds. A short action shows no progress at all.
const firstDrawAfter = 1000;
const drawInterval = 200;
// For a terminal that does not report its size.
const defaultColumns = 80;

/**
 * A progress line on the terminal. Each call of `add` and `update` reads the
 * clock, so report many entries at once.
 */
export class Progress {
  #start = systemClock.now();
  #next = this.#start + firstDrawAfter;
  #entries = 0;

  private constructor() {}

  /** A progress line on standard error, if that is a terminal and `wanted`. */
  static onTerminal(wanted = true): Progress | undefined {
    return wanted && terminal.isTerminal("error") ? new Progress() : undefined;
  }

  /** Adds to the number of entries. `part` is how much is done, 0 to 1, if known. */
  add(entries: number, part?: number): void {
    this.update(this.#entries + entries, part);
  }

  /** Sets the number of entries. */
  update(entries: number, part?: number): void {
    this.#entries = entries;
    const now = systemClock.now();
    if (now < this.#next) return;
    this.#next = now + drawInterval;
    const columns = terminal.columns() || defaultColumns;
    const seconds = (now - this.#start) / 1000;
    drawProgress(progressLine(entries, seconds, columns, part));
  }

  /** Removes the line. */
  end(): void {
    drawProgress("");
  }
}

/** Formats the line, cut so that a terminal of `columns` does not wrap it. */
export function progressLine(
  entries: number,
  seconds: number,
  columns: number,
  part?: number,
): string {
  const rate = Math.round(entries / seconds);
  const left = part !== undefined && part > 0
    ? `, ${Math.max(0, Math.ceil(seconds / part - seconds))} s left`
    : "";
  const line = `${formatCount(entries)} entries, ${
    formatCount(rate)
  } a second, ${Math.floor(seconds)} s${left}`;
  return line.slice(0, Math.max(columns - 1, 0));
}

/** Formats a number with commas between the thousands. */
export function formatCount(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}
