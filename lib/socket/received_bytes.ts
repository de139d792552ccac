/** The part of a connection that delivers bytes. */
export interface Delivery {
  /** Delivers nothing until `resume`. */
  pause(): unknown;
  /** Goes on. */
  resume(): unknown;
}

// When this many received bytes are unread, reading from the network pauses.
const defaultReadAhead = 65536;

/** The bytes that a connection has delivered and nobody has read yet. */
export class ReceivedBytes {
  /** The first error of the connection, which says why it is gone. */
  error: Error | undefined;
  #delivery: Delivery;
  #readAhead: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #isPaused = false;
  #ended = false;
  #wake: (() => void) | undefined;

  /** Delivery pauses while more than `readAhead` bytes are unread. */
  constructor(delivery: Delivery, readAhead: number = defaultReadAhead) {
    this.#delivery = delivery;
    this.#readAhead = readAhead;
  }

  /** Takes what was delivered. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#wake !== undefined) this.#wake();
    else if (this.#size > this.#readAhead) {
      this.#isPaused = true;
      this.#delivery.pause();
    }
  }

  /** Nothing more is delivered. */
  end(error?: Error): void {
    this.error ??= error;
    this.#ended = true;
    this.#wake?.();
  }

  /** As `read` of a socket. */
  async read(): Promise<Uint8Array | null> {
    while (this.#chunks.length === 0) {
      if (this.error !== undefined) throw this.error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    const chunk = this.#chunks.shift()!;
    this.#size -= chunk.length;
    if (this.#isPaused && this.#size <= this.#readAhead) {
      this.#isPaused = false;
      this.#delivery.resume();
    }
    return chunk;
  }
}
