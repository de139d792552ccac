import { runtime, shortWrite } from "../system/runtime.ts";
import { connectDeno } from "../socket/deno.ts";
import type { Connect } from "../socket/socket.ts";
import type { OpenOptions } from "../table.ts";
import {
  stopListeners,
  type StopSignal,
  stopStatuses,
} from "./stop_signals.ts";

/** What a command-line program needs from its runtime. */
export interface Terminal {
  /** The command-line arguments. */
  readonly args: readonly string[];
  /** Loads what all other functions need; to be called first. May be missing. */
  load?(): Promise<void>;
  /**
   * Opens sockets for a single lookup, after which the program ends itself. Loaded
   * at the start, because most commands need it at once.
   */
  readonly connect: Connect;
  /** Opens KV databases on runtimes without their own. */
  readonly kvLibrary?: OpenOptions["kvLibrary"];
  /** Reads from standard input. Returns the number of bytes, `null` at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes to standard output. Returns the number of bytes. */
  write(bytes: Uint8Array): Promise<number>;
  /** Whether an error of `write` means that nobody reads any more. */
  isBrokenPipe(error: unknown): boolean;
  /**
   * Writes to standard error synchronously. Returns the number of bytes, 0 if it
   * would have to wait.
   */
  writeError(bytes: Uint8Array): number;
  /** Whether a standard stream is a terminal. */
  isTerminal(stream: "input" | "output" | "error"): boolean;
  /** The size of standard input in bytes, if it is a file. */
  inputSize(): number | undefined;
  /** The width of the terminal in characters, if known. */
  columns(): number | undefined;
  /**
   * Calls `stop` on SIGTERM and SIGINT, which then do not end the program.
   * Returns a function that undoes this.
   */
  onStop(stop: (signal: StopSignal) => void): () => void;
  /**
   * Ends the program as the signal does to one that has no listener, or with the status
   * that a shell reports for that.
   */
  endBySignal(signal: StopSignal): never;
  /**
   * Whether the runtime may deny the program what the operating system permits.
   * Missing on runtimes without permissions.
   */
  mayBeRefused?(): boolean;
  /**
   * Calls `reload` on SIGHUP, which then does not end the program. Ignores SIGUSR1,
   * which would open a debugger on Node. Returns a function that undoes this.
   */
  onReload(reload: () => void): () => void;
  /**
   * Ignores SIGXFSZ, so that a write beyond `ulimit -f` is an error instead of
   * the end of the program. Missing on runtimes that ignore it themselves.
   */
  ignoreFileSizeSignal?(): void;
  /** Ends the program. */
  exit(status: number): never;
}

/** Writes synchronously. Returns the number of bytes, 0 if it would have to wait. */
function writeNow(
  stream: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): number {
  try {
    return stream.writeSync(bytes);
  } catch (error) {
    if (error instanceof Deno.errors.WouldBlock) return 0;
    throw error;
  }
}

// The first short output is written at once: a single lookup needs no turn of the
// event loop for it. Later ones must not make all else wait for a slow reader.
let hasWritten = false;

let standardOutput: { write(bytes: Uint8Array): Promise<number> } | undefined;

async function writeOut(bytes: Uint8Array): Promise<number> {
  const isFirst = !hasWritten;
  hasWritten = true;
  if (isFirst && bytes.length <= shortWrite) {
    const length = writeNow(Deno.stdout, bytes);
    if (length > 0) return length;
  }
  return await (standardOutput ??= waitingOutput()).write(bytes);
}

/**
 * Standard output with blocking writes. Another program may have made it
 * non-blocking, and Deno does not say how much of a failed write was written. So
 * in that case it is opened again, if there is permission to do so.
 */
function waitingOutput(): { write(bytes: Uint8Array): Promise<number> } {
  const path = "/proc/self/fd/1";
  const mayOpen = (["read", "write"] as const).every((name) =>
    Deno.permissions.querySync({ name, path }).state === "granted"
  );
  if (!mayOpen) return Deno.stdout;
  try {
    const info = Deno.readTextFileSync("/proc/self/fdinfo/1");
    const flags = parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? "0", 8);
    const nonBlocking = 0o4000;
    if ((flags & nonBlocking) === 0) return Deno.stdout;
    const { isFifo, isCharDevice } = Deno.statSync(path);
    if (!isFifo && !isCharDevice) return Deno.stdout;
    return Deno.openSync(path, { write: true });
  } catch {
    // Not on Linux, or not allowed.
    return Deno.stdout;
  }
}

const denoTerminal: Terminal = {
  get args() {
    return Deno.args;
  },
  connect: connectDeno,
  read: (buffer) => Deno.stdin.read(buffer),
  write: writeOut,
  isBrokenPipe: (error) => error instanceof Deno.errors.BrokenPipe,
  writeError: (bytes) => writeNow(Deno.stderr, bytes),
  isTerminal: (stream) =>
    ({ input: Deno.stdin, output: Deno.stdout, error: Deno.stderr })[stream]
      .isTerminal(),
  inputSize: () => {
    const path = "/dev/stdin";
    const { state } = Deno.permissions.querySync({ name: "read", path });
    if (state !== "granted") return undefined;
    try {
      const { isFile, size } = Deno.statSync(path);
      return isFile ? size : undefined;
    } catch {
      return undefined;
    }
  },
  columns: () => {
    try {
      return Deno.consoleSize().columns;
    } catch {
      return undefined;
    }
  },
  mayBeRefused: () =>
    (["net", "read", "write", "run"] as const).some((name) =>
      Deno.permissions.querySync({ name }).state !== "granted"
    ),
  onReload: (reload) => {
    const nothing = () => {};
    Deno.addSignalListener("SIGHUP", reload);
    Deno.addSignalListener("SIGUSR1", nothing);
    return () => {
      Deno.removeSignalListener("SIGHUP", reload);
      Deno.removeSignalListener("SIGUSR1", nothing);
    };
  },
  onStop: (stop) => {
    const listeners = stopListeners(stop)
      // Windows has no other.
      .filter(([signal]) => signal === "SIGINT" || Deno.build.os !== "windows");
    for (const listener of listeners) Deno.addSignalListener(...listener);
    return () => {
      for (const listener of listeners) Deno.removeSignalListener(...listener);
    };
  },
  endBySignal: (signal) => {
    const { state } = Deno.permissions.querySync({ name: "run" });
    if (state === "granted") {
      Deno.kill(Deno.pid, signal);
      // Another thread of Deno takes it, and ends the program.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    }
    return Deno.exit(stopStatuses[signal]);
  },
  ignoreFileSizeSignal: () => {
    try {
      Deno.addSignalListener("SIGXFSZ", () => {});
    } catch {
      // There is no such signal on Windows.
    }
  },
  exit: (status) => Deno.exit(status),
};

/** The terminal of this program. */
export const terminal: Terminal = runtime === "deno"
  ? denoTerminal
  : (await import("./node_terminal.ts")).nodeTerminal();
