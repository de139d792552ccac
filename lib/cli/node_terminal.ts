import { ConfigError, reasonOf } from "../errors.ts";
import type { KvDatabase, KvLibrary } from "../kv_database.ts";
import {
  bunFunctions,
  loadNodeModule,
  nodeModule,
  shortWrite,
} from "../system/runtime.ts";
import { connectBun } from "../socket/bun.ts";
import { connectNode } from "../socket/node.ts";
import type { NodeInput } from "./node_input.ts";
import { stopListeners, stopStatuses } from "./stop_signals.ts";
import type { Terminal } from "./terminal.ts";

type Failure = Error & { code?: string };
type Files = typeof import("node:fs");

type Process = typeof import("node:process");

/** The part of `@deno/kv` that is used. */
interface DenoKv {
  openKv(path: string, serializer: object): Promise<KvDatabase>;
  makeLimitedV8Serializer(): object;
}

/**
 * Opens the same database files as Deno, with `@deno/kv` if it is installed
 * beside this package.
 */
async function kvLibrary(path: string | undefined): Promise<KvLibrary> {
  // Without a path @deno/kv would open a database in memory.
  if (path === undefined) {
    throw new ConfigError(
      "kv: this runtime has no default database: name a file, kv:PATH",
    );
  }
  const { openKv, makeLimitedV8Serializer } = await loadDenoKv(path);
  return {
    async openKv(path) {
      try {
        // Values are only bytes, and Bun lacks what the default serializer needs.
        return await openKv(path!, makeLimitedV8Serializer());
      } catch (cause) {
        if (!reasonOf(cause).includes("napi interface")) throw cause;
        throw new ConfigError(
          `kv:${path}: @deno/kv lacks its binary for this machine: install it ` +
            `without --omit=optional, where there is one`,
          { cause },
        );
      }
    },
  };
}

async function loadDenoKv(path: string): Promise<DenoKv> {
  const library = "@deno/kv";
  const notInstalled = `kv:${path}: on Node and Bun this needs ${library}, ` +
    `beside this package: npm install ${library}`;
  // Bun would download a package that is not installed.
  const isBun = bunFunctions() !== undefined;
  if (isBun && !isInstalled(library, (await loadNodeModule("node:fs"))!)) {
    throw new ConfigError(notInstalled);
  }
  // Deno, and tools that publish, would try to resolve an import.
  const { createRequire } = (await loadNodeModule("node:module"))!;
  try {
    return createRequire(import.meta.url)(library);
  } catch (cause) {
    const { code, message } = cause as Failure;
    const missing = code === "MODULE_NOT_FOUND" &&
      message.includes(`'${library}'`);
    throw new ConfigError(
      missing
        ? notInstalled
        : `kv:${path}: ${library} cannot be loaded: ${reasonOf(cause)}`,
      { cause },
    );
  }
}

/** Whether a package is installed where this module looks for packages. */
function isInstalled(name: string, { existsSync }: Files): boolean {
  let folder = new URL(".", import.meta.url);
  for (;;) {
    if (existsSync(new URL(`node_modules/${name}/`, folder))) return true;
    const above = new URL("..", folder);
    if (above.href === folder.href) return false;
    folder = above;
  }
}

// Not at the top of the module: the built program has all modules in one file,
// and Deno would spend a short command's time on loading its copy of Node's.
function nodeProcess(): Process {
  return (globalThis as unknown as { process: Process }).process;
}

/** The part of Bun that is used here. */
interface BunOutput {
  readonly stdout: object;
  write(destination: object, bytes: Uint8Array): Promise<number>;
}

/** The terminal on Node and Bun. */
export function nodeTerminal(): Terminal {
  const process = nodeProcess();
  const bun = bunFunctions<BunOutput>();
  let loaded: Files | undefined;
  const files = () => loaded ??= nodeModule("node:fs") as Files;
  let input: NodeInput | undefined;

  /** Asynchronous, so that replies can be read while a write waits. */
  function writeOut(bytes: Uint8Array): Promise<number> {
    if (bun !== undefined && bytes.length <= shortWrite) {
      return bun.write(bun.stdout, bytes);
    }
    return new Promise((resolve, reject) => {
      files().write(1, bytes, (error: Failure | null, written) => {
        if (error === null) resolve(written);
        else if (error.code !== "EAGAIN") reject(error);
        else {
          // Another program made the descriptor non-blocking. The stream can wait.
          process.stdout.once("error", reject);
          process.stdout.write(bytes, (failure) => {
            // The "error" event comes after this, and needs a listener.
            if (failure) return reject(failure);
            process.stdout.off("error", reject);
            resolve(bytes.length);
          });
        }
      });
    });
  }

  return {
    args: process.argv.slice(2),
    // Bun takes long to load it, and a single lookup does without.
    load: bun !== undefined ? undefined : async () => {
      loaded = await loadNodeModule("node:fs");
    },
    connect: bun === undefined ? connectNode : connectBun,
    kvLibrary,
    async read(buffer) {
      if (input === undefined) {
        const { NodeInput } = await import("./node_input.ts");
        input = new NodeInput(process, files());
      }
      return await input.read(buffer);
    },
    write: writeOut,
    isBrokenPipe: (error) => (error as Failure).code === "EPIPE",
    writeError: (bytes) => {
      try {
        return files().writeSync(2, bytes);
      } catch (error) {
        if ((error as Failure).code === "EAGAIN") return 0;
        throw error;
      }
    },
    isTerminal: (stream) => {
      const { stdin, stdout, stderr } = process;
      return { input: stdin, output: stdout, error: stderr }[stream].isTTY ===
        true;
    },
    inputSize: () => {
      try {
        const stat = files().fstatSync(0);
        return stat.isFile() ? stat.size : undefined;
      } catch {
        return undefined;
      }
    },
    columns: () => process.stderr.columns,
    onReload: (reload) => {
      const nothing = () => {};
      process.on("SIGHUP", reload);
      process.on("SIGUSR1", nothing);
      return () => {
        process.off("SIGHUP", reload);
        process.off("SIGUSR1", nothing);
      };
    },
    onStop: (stop) => {
      const listeners = stopListeners(stop);
      for (const listener of listeners) process.on(...listener);
      return () => {
        for (const listener of listeners) process.off(...listener);
      };
    },
    endBySignal: (signal) => {
      process.kill(process.pid, signal);
      return process.exit(stopStatuses[signal]);
    },
    exit: (status) => process.exit(status),
  };
}
