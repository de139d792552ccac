import { write, writeSync } from "node:fs";
import process from "node:process";
import { connectNode } from "../socket/node.ts";
import type { Terminal } from "./terminal.ts";

type Failure = Error & { code?: string };

let input: AsyncIterator<Uint8Array> | undefined;
let rest: Uint8Array = new Uint8Array(0);

async function read(buffer: Uint8Array): Promise<number | null> {
  input ??= process.stdin[Symbol.asyncIterator]();
  while (rest.length === 0) {
    const { value, done } = await input!.next();
    if (done) return null;
    rest = value;
  }
  const length = Math.min(rest.length, buffer.length);
  buffer.set(rest.subarray(0, length));
  rest = rest.subarray(length);
  return length;
}

/** Not synchronously: while one waits for the reader, replies must be taken. */
function writeOut(bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(1, bytes, (error: Failure | null, written) => {
      if (error === null) resolve(written);
      else if (error.code !== "EAGAIN") reject(error);
      else {
        // Whoever has the other end made it one that does not wait: its stream
        // knows how to.
        process.stdout.once("error", reject);
        process.stdout.write(bytes, (failure) => {
          process.stdout.off("error", reject);
          if (failure) reject(failure);
          else resolve(bytes.length);
        });
      }
    });
  });
}

const stopSignals = ["SIGTERM", "SIGINT"] as const;

/** The outside on Node and Bun. */
export const nodeTerminal: Terminal = {
  args: process.argv.slice(2),
  connect: connectNode,
  read,
  write: writeOut,
  isBrokenPipe: (error) => (error as Failure).code === "EPIPE",
  complain: (bytes) => {
    for (let at = 0; at < bytes.length;) {
      at += writeSync(2, bytes.subarray(at));
    }
  },
  onStop: (stop) => {
    for (const signal of stopSignals) process.on(signal, stop);
    return () => {
      for (const signal of stopSignals) process.off(signal, stop);
    };
  },
  exit: (status) => process.exit(status),
};
