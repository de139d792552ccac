/**
 * Commands that go out together, and how their replies are read. It is sent
 * once: what has no reply after that is for its owner to ask again, command by
 * command, with all the rules for tries.
 */
export interface Exchange {
  /** What is sent, in one piece. */
  readonly bytes: Uint8Array;
  /** Whether all replies were read. */
  readonly done: boolean;
  /** Why what comes cannot be read; the connection is of no use then. */
  readonly failure: string | undefined;
  /**
   * Takes bytes from `start` on until all replies are read, or one cannot be;
   * returns where it stopped.
   */
  push(bytes: Uint8Array, start: number): number;
}

/** An exchange that ended before all replies came. */
export interface Shortfall {
  /** The tries that are used up for the commands without a reply. */
  readonly tries: number;
  /** What to say when there are no more tries. */
  readonly error: Error;
}
