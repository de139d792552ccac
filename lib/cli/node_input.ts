type Files = typeof import("node:fs");
type Process = typeof import("node:process");

/**
 * Standard input on Node and Bun.
 *
 * `process.stdin` has faults: on Node it ends at once, without an error, if
 * standard input is a directory, a device or a socket without a connection; on
 * Bun it reads a file from its start, even if the shell has already read a part.
 * So the file descriptor is read directly if possible. It is not possible on Node
 * if a read may have to wait, because Node cannot exit during a read.
 */
export class NodeInput {
  #process: Process;
  #files: Files;
  /** Whether `process.stdin` is used instead of the descriptor. */
  #hasEvents: boolean | undefined;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #resetError: unknown;

  /** Reads nothing yet. */
  constructor(process: Process, files: Files) {
    this.#process = process;
    this.#files = files;
  }

  /** Returns the number of bytes, `null` at the end. */
  async read(buffer: Uint8Array): Promise<number | null> {
    this.#hasEvents ??= !("bun" in this.#process.versions) && this.#mayWait();
    if (!this.#hasEvents) {
      try {
        return await this.#readDescriptor(buffer);
      } catch (error) {
        // Another program made the descriptor non-blocking.
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        this.#hasEvents = true;
      }
    }
    return await this.#readStream(buffer);
  }

  /** Whether a read may have to wait: on a pipe, a connection or a terminal. */
  #mayWait(): boolean {
    let stat: ReturnType<Files["fstatSync"]>;
    try {
      stat = this.#files.fstatSync(0);
    } catch {
      return false;
    }
    if (stat.isFIFO()) return true;
    if (stat.isCharacterDevice()) return this.#process.stdin.isTTY === true;
    if (!stat.isSocket()) return false;
    const { stdin } = this.#process;
    const stream = stdin as { localPort?: number; remotePort?: number };
    // Node has no stream for datagram sockets. A TCP socket that listens or was
    // reset has no remote port.
    return "localPort" in stream &&
      (stream.localPort === undefined || stream.remotePort !== undefined);
  }

  #readDescriptor(buffer: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => {
      this.#files.read(0, buffer, 0, buffer.length, null, (error, length) => {
        if (error) reject(error);
        else resolve(length === 0 ? null : length);
      });
    });
  }

  async #readStream(buffer: Uint8Array): Promise<number | null> {
    this.#chunks ??= this.#openStream();
    while (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done && this.#resetError !== undefined) throw this.#resetError;
      if (done) return null;
      this.#rest = value;
    }
    const length = Math.min(this.#rest.length, buffer.length);
    buffer.set(this.#rest.subarray(0, length));
    this.#rest = this.#rest.subarray(length);
    return length;
  }

  #openStream(): AsyncIterator<Uint8Array> {
    const { stdin } = this.#process;
    // The stream reports a connection that was reset as the end of input.
    if (this.#files.fstatSync(0).isSocket()) {
      stdin.once("end", () => {
        try {
          this.#files.readSync(0, new Uint8Array(1));
        } catch (error) {
          if ((error as { code?: string }).code !== "EAGAIN") {
            this.#resetError = error;
          }
        }
      });
    }
    return stdin[Symbol.asyncIterator]();
  }
}
