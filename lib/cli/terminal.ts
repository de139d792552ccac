import { runtime } from "../system/runtime.ts";
import { connectDeno } from "../socket/deno.ts";
import type { Connect } from "../socket/socket.ts";
import type { OpenOptions } from "../table.ts";

/** The outside of a program that is run in a terminal. */
export interface Terminal {
  /** The arguments. */
  readonly args: readonly string[];
  /** Opens sockets; at hand, for a command that waits for nothing else. */
  readonly connect: Connect;
  /** Opens KV databases, where the runtime has none of its own. */
  readonly kvLibrary?: OpenOptions["kvLibrary"];
  /** Reads from standard input; the number of bytes, `null` at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes to standard output; the number of bytes. */
  write(bytes: Uint8Array): Promise<number>;
  /** Whether an error of `write` says that nobody reads any more. */
  isBrokenPipe(error: unknown): boolean;
  /**
   * Writes to standard error, before it returns; the number of bytes, 0 where
   * there is no room at the moment.
   */
  complain(bytes: Uint8Array): number;
  /** Whether a standard stream is a terminal that a person looks at. */
  isTerminal(stream: "input" | "output" | "error"): boolean;
  /** How many bytes standard input has, where it is a file. */
  inputSize(): number | undefined;
  /** How many characters fit in its line, where that is known. */
  columns(): number | undefined;
  /**
   * Calls `stop` when the program is asked to end, by SIGTERM or SIGINT, which
   * do not end it then. Returns what takes that back.
   */
  onStop(stop: () => void): () => void;
  /**
   * Whether the runtime may refuse something to the program that the system would
   * let it do; missing where there is nothing of that kind.
   */
  mayBeRefused?(): boolean;
  /**
   * Calls `reload` at SIGHUP, which does not end the program then; nor does
   * SIGUSR1, which on Node would open a debugger. Returns what takes that back.
   */
  onReload(reload: () => void): () => void;
  /**
   * Makes a file that may not grow further an error of who writes to it, where
   * the runtime lets it end the program without a word (`ulimit -f`).
   */
  outliveFileLimit?(): void;
  /** Ends the program. */
  exit(status: number): never;
}

const stopSignals = ["SIGTERM", "SIGINT"] as const;

// A pipe has room for that nearly always.
const shortWrite = 4096;

let standardOutput: { write(bytes: Uint8Array): Promise<number> } | undefined;

async function writeOut(bytes: Uint8Array): Promise<number> {
  if (bytes.length <= shortWrite) return await Deno.stdout.write(bytes);
  return await (standardOutput ??= waitingOutput()).write(bytes);
}

/**
 * Standard output, as one whose writes wait for room. It is none where whoever
 * has the other end, or another program on the terminal, changed that; and Deno
 * does not tell how much of a write that failed was written. So it is opened
 * once more then, if there is permission for that.
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
  complain: (bytes) => {
    try {
      return Deno.stderr.writeSync(bytes);
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) return 0;
      throw error;
    }
  },
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
    for (const signal of stopSignals) Deno.addSignalListener(signal, stop);
    return () => {
      for (const signal of stopSignals) Deno.removeSignalListener(signal, stop);
    };
  },
  outliveFileLimit: () => {
    try {
      Deno.addSignalListener("SIGXFSZ", () => {});
    } catch {
      // There is no such signal on Windows.
    }
  },
  exit: (status) => Deno.exit(status),
};

/** That of this program. */
export const terminal: Terminal = runtime === "deno"
  ? denoTerminal
  : (await import("./node_terminal.ts")).nodeTerminal;
