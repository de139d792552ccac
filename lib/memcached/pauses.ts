import type { Clock, Timer } from "../system/clock.ts";
import type { CommandRequest } from "./queue.ts";

/** The retry pauses: commands that wait for their next try, all for the same time. */
export class Pauses {
  #clock: Clock;
  #milliseconds: number;
  #onDue: (requests: CommandRequest[]) => void;
  #waiting: { requests: readonly CommandRequest[]; due: number }[] = [];
  #timer: Timer | undefined;

  /** Calls `onDue` with the commands whose pause is over. */
  constructor(
    clock: Clock,
    milliseconds: number,
    onDue: (requests: CommandRequest[]) => void,
  ) {
    this.#clock = clock;
    this.#milliseconds = milliseconds;
    this.#onDue = onDue;
  }

  add(requests: readonly CommandRequest[]): void {
    const due = this.#clock.now() + this.#milliseconds;
    this.#waiting.push({ requests, due });
    this.#timer ??= this.#setTimer(this.#milliseconds);
  }

  #setTimer(milliseconds: number): Timer {
    return this.#clock.setTimer(milliseconds, () => {
      const now = this.#clock.now();
      const over = this.#waiting.filter(({ due }) => due <= now);
      this.#waiting = this.#waiting.slice(over.length);
      const next = this.#waiting[0];
      this.#timer = next && this.#setTimer(next.due - now);
      this.#onDue(over.flatMap(({ requests }) => requests));
    });
  }

  /** Ends all pauses, and returns the commands. */
  takeAll(): CommandRequest[] {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this.#waiting.splice(0).flatMap(({ requests }) => requests);
  }
}
