import { nodeModule } from "../system/runtime.ts";

type Files = typeof import("node:fs");

const { process } = globalThis as unknown as {
  process: typeof import("node:process");
};
const files = nodeModule("node:fs") as Files | undefined ??
  await import("node:fs");

/**
 * Reads from standard input on Node and Bun; the number of bytes, `null` at the
 * end.
 *
 * The stream that Node has for it ends at once, and says nothing, where standard
 * input is a directory, a device or a socket without a connection; that of Bun
 * reads a file from its start, even if the shell has read from it before. So the
 * descriptor is read itself where that is possible. On Node it is not where a
 * read may have to wait: Node does not end before the last read has ended.
 */
export async function readInput(buffer: Uint8Array): Promise<number | null> {
  hasEvents ??= !("bun" in process.versions) && mayWait();
  if (!hasEvents) {
    try {
      return await readDescriptor(buffer);
    } catch (error) {
      // Whoever has the other end made it one that does not wait.
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
      hasEvents = true;
    }
  }
  return await readStream(buffer);
}

/** Whether the stream is used, which tells by events when there is something. */
let hasEvents: boolean | undefined;

/** Whether standard input is a pipe, a connection, or a terminal. */
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
  // Node has no stream for datagrams; and a socket of TCP that listens, or was
  // reset, has no other end.
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
let brokenOff: unknown;

async function readStream(buffer: Uint8Array): Promise<number | null> {
  chunks ??= openStream();
  while (rest.length === 0) {
    const { value, done } = await chunks.next();
    if (done && brokenOff !== undefined) throw brokenOff;
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
  // A connection that was reset looks like one that came to its end.
  if (files.fstatSync(0).isSocket()) {
    stdin.once("end", () => {
      try {
        files.readSync(0, new Uint8Array(1));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") brokenOff = error;
      }
    });
  }
  return stdin[Symbol.asyncIterator]();
}
