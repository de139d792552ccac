/**
 * Sends writes in the order in which they were requested, although the rules may take
 * longer for the keys of one: a table of the domain list, for example.
 */
export class WriteTurns {
  #last: Promise<unknown> | undefined;

  /** Resolves when all writes were sent that have been requested until now. */
  async sent(): Promise<void> {
    await this.#last;
  }

  /** Calls `send` with what `make` makes, once all earlier writes were sent. */
  async inTurn<Made, Sent>(
    make: () => Promise<Made>,
    send: (made: Made) => Sent,
  ): Promise<Sent> {
    const earlier = this.#last;
    const own = sendAfter(earlier, make, send);
    // The next write need not know about a failure of this one.
    const over = own.catch(() => undefined);
    this.#last = over;
    try {
      return await own;
    } finally {
      if (this.#last === over) this.#last = undefined;
    }
  }
}

async function sendAfter<Made, Sent>(
  earlier: Promise<unknown> | undefined,
  make: () => Promise<Made>,
  send: (made: Made) => Sent,
): Promise<Sent> {
  let made: Made;
  try {
    made = await make();
  } finally {
    if (earlier !== undefined) await earlier;
  }
  return send(made);
}
