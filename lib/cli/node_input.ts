import { nodeModule } from "../system/runtime.ts";

type Files = typeof import("node:fs");

const { process } = globalThis as unknown as {
  process: typeof import("node:process");
};
const files = nodeModule("node:fs") as Files | undefined ??
  await import("node:fs");

/**
 * Reads from standard input on Node and Bun. Returns the number of bytes, `null`
 * at the end.
 *
 * `process.stdin` has faults: on Node it ends at once, without an error, if
 * standard input is a directory, a device or a socket without a connection; on
 * Bun it reads a file from its start, even if the shell has already read a part.
 * So the file descriptor is read directly if possible. It is not possible on Node
 * if a read may have to wait, because Node cannot exit during a read.
 */
export async function readInput(buffer: Uint8Array): Promise<number | null> {
  hasEvents ??= !("bun" in process.versions) && mayWait();
  if (!hasEvents) {
    try {
      return await readDescriptor(buffer);
    } catch (error) {
      // Another program made the descriptor non-blocking.
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
      hasEvents = true;
    }
  }
  return await readStream(buffer);
}

/** Whether `process.stdin` is used instead of the descriptor. */
let hasEvents: boolean | undefined;

/** Whether a read may have to wait: on a pipe, a connection or a terminal. */
function mayWait(): boolean {
  let stat: ReturnType<Files["fstatSync"]>;
  try {
    stat = files.fstatSync(0);
  } catch {
    return false;
  }
  if (stat.isFIFO()) return true;
  if (stat.isCharacterDevice()) return process.stdin.isTTY === true;
  if (!stat.isSocket()) return false;
  const stream = process.stdin as { localPort?: number; remotePort?: number };
  // Node has no stream for datagram sockets. A TCP socket that listens or was
  // reset has no remote port.
  return "localPort" in stream &&
    (stream.localPort === undefined || stream.remotePort !== undefined);
}

function readDescriptor(buffer: Uint8Array): Promise<number | null> {
  return new Promise((resolve, reject) => {
    files.read(0, buffer, 0, buffer.length, null, (error, length) => {
      if (error) reject(error);
      else resolve(length === 0 ? null : length);
    });
  });
}

let chunks: AsyncIterator<Uint8Array> | undefined;
let rest: Uint8Array = new Uint8Array(0);
let resetError: unknown;

async function readStream(buffer: Uint8Array): Promise<number | null> {
  chunks ??= openStream();
  while (rest.length === 0) {
    const { value, done } = await chunks.next();
    if (done && resetError !== undefined) throw resetError;
    if (done) return null;
    rest = value;
  }
  const length = Math.min(rest.length, buffer.length);
  buffer.set(rest.subarray(0, length));
  rest = rest.subarray(length);
  return length;
}

function openStream(): AsyncIterator<Uint8Array> {
  const { stdin } = process;
  // The stream reports a connection that was reset as the end of input.
  if (files.fstatSync(0).isSocket()) {
    stdin.once("end", () => {
      try {
        files.readSync(0, new Uint8Array(1));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") resetError = error;
      }
    });
  }
  return stdin[Symbol.asyncIterator]();
}
