import { systemClock } from "../system/clock.ts";
import { drawProgress } from "./streams.ts";
import { terminal } from "./terminal.ts";

// Milliseconds: what takes no longer than the first shows nothing.
const shownAfter = 1000;
const drawnEvery = 200;
// Where a terminal does not tell its size.
const usualColumns = 80;

/**
 * How far something is, in a line of the terminal that is drawn again and again.
 * Looks at the time when it is told of entries, and at no other: tell it of many
 * at once.
 */
export class Progress {
  #start = systemClock.now();
  #next = this.#start + shownAfter;
  #entries = 0;

  private constructor() {}

  /** One on standard error, if that is a terminal, and `wanted`. */
  static where(wanted = true): Progress | undefined {
    return wanted && terminal.isTerminal("error") ? new Progress() : undefined;
  }

  /** So many entries more; `part` is how much of the whole is done, if known. */
  add(entries: number, part?: number): void {
    this.to(this.#entries + entries, part);
  }

  /** So many entries in all. */
  to(entries: number, part?: number): void {
    this.#entries = entries;
    const now = systemClock.now();
    if (now < this.#next) return;
    this.#next = now + drawnEvery;
    const columns = terminal.columns() || usualColumns;
    const seconds = (now - this.#start) / 1000;
    drawProgress(progressLine(entries, seconds, columns, part));
  }

  /** Leaves nothing on the terminal. */
  end(): void {
    drawProgress("");
  }
}

/** The line, cut so that a terminal of so many columns does not wrap it. */
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
  const line = `${grouped(entries)} entries, ${grouped(rate)} a second, ${
    Math.floor(seconds)
  } s${left}`;
  return line.slice(0, Math.max(columns - 1, 0));
}

/** A number with commas between its thousands. */
export function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}
