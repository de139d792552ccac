/** A signal that stops a program. */
export type StopSignal = "SIGTERM" | "SIGINT";

/** The status that a shell reports for a program that such a signal has ended. */
export const stopStatuses: Readonly<Record<StopSignal, number>> = {
  SIGTERM: 143,
  SIGINT: 130,
};

/** A listener of each of the signals, which is told which one came. */
export function stopListeners(
  stop: (signal: StopSignal) => void,
): readonly (readonly [StopSignal, () => void])[] {
  const signals = Object.keys(stopStatuses) as StopSignal[];
  return signals.map((signal) => [signal, () => stop(signal)]);
}

/** SIGINT or SIGTERM ended what a program did. */
export class Interrupted extends Error {
  override name = "Interrupted";
  /** The signal. */
  readonly by: StopSignal;

  /** Nobody reads a message. */
  constructor(by: StopSignal) {
    super(by);
    this.by = by;
  }
}
