import { key } from "../data.mjs";
import { compiled } from "../compiled.ts";
import { type Environment, pinned, type ServerName } from "../environment.ts";
import { installedClients } from "../npm_packages.ts";
import { wholeProgram } from "../program.ts";
import type { Column, Row, Turn } from "../row.ts";
import { Worker } from "../worker.ts";
import { requests } from "../workers/serve.mjs";

const script = (name: string) =>
  new URL(`../workers/${name}`, import.meta.url).pathname;

const peer = (name: string) =>
  new URL(`../peers/${name}`, import.meta.url).pathname;

type Kind = keyof typeof requests;

/** The turns of a program, in thousands of requests per second. */
export function rate(worker: Worker, kind: Kind): Turn {
  return async () => requests[kind] / await worker.turn();
}

/** The command that runs this project's library. */
export function ours(kind: Kind, table: string): string[] {
  return [Deno.execPath(), "run", "-A", script("ours.ts"), kind, table];
}

function address({ memcached }: { memcached: { server: string } }): string[] {
  return memcached.server.split(":").slice(1);
}

/** `postmap -q -` with fewer keys, because it looks up one after the other. */
export async function postmap(
  environment: Environment,
  server: ServerName,
  before: string[],
): Promise<Turn> {
  const keyCount = requests.sequential;
  const { table } = await environment.server(server);
  const stdin = await environment.folder.write(
    "few-keys",
    Array.from({ length: keyCount }, (_, at) => `${key(at)}\n`).join(""),
  );
  const command = [...before, "postmap", "-q", "-", table];
  const { signal } = environment;
  return async () => keyCount / await wholeProgram({ command, stdin, signal });
}

function row(
  kind: Kind,
  { floor, ...about }: Pick<Row, "name" | "title" | "targets"> & {
    floor?: string;
  },
  { onOneCpu = false, withPostmap = false, withC = false } = {},
): Row {
  const before = onOneCpu ? pinned : [];
  const tcp = onOneCpu ? "pinned" : "tcp";
  const unix = onOneCpu ? "pinned unix" : "unix";
  return {
    ...about,
    unit: "k/s",
    note: floor && `floor: ${floor}`,
    async contestants(environment, stack) {
      const start = (command: string[]) =>
        rate(
          stack.use(new Worker([...before, ...command], environment.signal)),
          kind,
        );
      const server = await environment.server(tcp);
      const turns: Partial<Record<Column, Turn>> = {
        tcp: start(ours(kind, server.table)),
        unix: start(ours(kind, (await environment.server(unix)).table)),
      };
      if (withPostmap) turns.postmap = await postmap(environment, tcp, before);
      const packages = await environment.packages();
      for (const { client, command } of installedClients(kind, packages)) {
        turns[client] = start([
          ...command,
          script("npm.mjs"),
          ...[kind, client, packages, ...address(server)],
        ]);
      }
      const c = withC && await compiled(
        peer("libmemcached.c"),
        environment.folder.path,
        ["memcached"],
      );
      if (c) turns.libmemcached = start([c, ...address(server), "1000"]);
      if (floor !== undefined) {
        const bare = [Deno.execPath(), "run", "-A", script("floor.ts")];
        turns.floor = start([...bare, kind, ...address(server)]);
      }
      return turns;
    },
  };
}

/** Lookups one after the other, with the library. */
export const sequential = row("sequential", {
  name: "sequential",
  title: "lookup() after lookup()",
  floor: "bare write-then-read loop",
  targets: [],
}, { withPostmap: true });

/** The same with client and memcached on one CPU, so that none has to be woken up. */
export const sequentialPinned = row("sequential", {
  name: "sequential-pinned",
  title: "lookup() after lookup(), one CPU",
  floor: "bare write-then-read loop",
  targets: [{ against: "floor", atLeast: 0.9 }],
}, { withPostmap: true, onOneCpu: true });

/** Concurrent lookups, with the library. */
export const concurrent = row("concurrent", {
  name: "concurrent",
  title: "1000 lookup() at once",
  targets: [{ against: "npm", atLeast: 2 }],
});

/** Many lookups in one call. */
export const bulk = row("bulk", {
  name: "bulk",
  title: "lookupMany() of 100,000 keys",
  floor: "bare pipelined get, 100 keys each",
  targets: [
    { against: "floor", atLeast: 0.75 },
    { against: "npm", atLeast: 1.3 },
    { against: "libmemcached", atLeast: 1 },
  ],
}, { withPostmap: true, withC: true });

/** Many updates in one call. */
export const update = row("update", {
  name: "update",
  title: "updateMany() of 100,000 entries",
  floor: "bare pipelined set",
  targets: [{ against: "floor", atLeast: 0.6 }],
});
