import { key } from "../data.mjs";
import { type Ground, pinned, type ServerName } from "../ground.ts";
import { installedClients } from "../npm_packages.ts";
import { wholeProgram } from "../program.ts";
import type { Column, Row, Turn } from "../row.ts";
import { Worker } from "../worker.ts";
import { requests } from "../workers/serve.mjs";

const script = (name: string) =>
  new URL(`../workers/${name}`, import.meta.url).pathname;

type Kind = keyof typeof requests;

/** A program's turns, as thousands of requests a second. */
export function rate(worker: Worker, kind: Kind): Turn {
  return async () => requests[kind] / await worker.turn();
}

/** This project's library. */
export function ours(kind: Kind, table: string): string[] {
  return [Deno.execPath(), "run", "-A", script("ours.ts"), kind, table];
}

function address({ memcached }: { memcached: { server: string } }): string[] {
  return memcached.server.split(":").slice(1);
}

/** `postmap -q -` over fewer keys: it asks for one after the other. */
export async function postmap(
  ground: Ground,
  server: ServerName,
  before: string[],
): Promise<Turn> {
  const asked = requests.sequential;
  const { table } = await ground.server(server);
  const stdin = await ground.folder.write(
    "few-keys",
    Array.from({ length: asked }, (_, at) => `${key(at)}\n`).join(""),
  );
  const command = [...before, "postmap", "-q", "-", table];
  const { signal } = ground;
  return async () => asked / await wholeProgram({ command, stdin, signal });
}

function row(
  kind: Kind,
  { floor, ...about }: Pick<Row, "name" | "title" | "wanted"> & {
    floor?: string;
  },
  { onOneCpu = false, withPostmap = false } = {},
): Row {
  const before = onOneCpu ? pinned : [];
  const tcp = onOneCpu ? "pinned" : "tcp";
  const unix = onOneCpu ? "pinned unix" : "unix";
  return {
    ...about,
    unit: "k/s",
    note: floor && `floor: ${floor}`,
    async contestants(ground, stack) {
      const start = (command: string[]) =>
        rate(
          stack.use(new Worker([...before, ...command], ground.signal)),
          kind,
        );
      const server = await ground.server(tcp);
      const turns: Partial<Record<Column, Turn>> = {
        tcp: start(ours(kind, server.table)),
        unix: start(ours(kind, (await ground.server(unix)).table)),
      };
      if (withPostmap) turns.postmap = await postmap(ground, tcp, before);
      const packages = await ground.packages();
      for (const { client, command } of installedClients(kind, packages)) {
        turns[client] = start([
          ...command,
          script("npm.mjs"),
          ...[kind, client, packages, ...address(server)],
        ]);
      }
      if (floor !== undefined) {
        const bare = [Deno.execPath(), "run", "-A", script("floor.ts")];
        turns.floor = start([...bare, kind, ...address(server)]);
      }
      return turns;
    },
  };
}

/** Lookups one after the other, by the library. */
export const sequential = row("sequential", {
  name: "sequential",
  title: "lookup() after lookup()",
  floor: "bare write-then-read loop",
  wanted: [],
}, { withPostmap: true });

/** The same, the client and memcached on one CPU: no waking up of another. */
export const sequentialPinned = row("sequential", {
  name: "sequential-pinned",
  title: "lookup() after lookup(), one CPU",
  floor: "bare write-then-read loop",
  wanted: [{ against: "floor", atLeast: 0.9 }],
}, { withPostmap: true, onOneCpu: true });

/** Lookups at once, by the library. */
export const concurrent = row("concurrent", {
  name: "concurrent",
  title: "1000 lookup() at once",
  wanted: [{ against: "npm", atLeast: 2 }],
});

/** Many lookups in one call. */
export const bulk = row("bulk", {
  name: "bulk",
  title: "lookupMany() of 100,000 keys",
  floor: "bare pipelined get, 100 keys each",
  wanted: [
    { against: "floor", atLeast: 0.75 },
    { against: "npm", atLeast: 1.3 },
  ],
}, { withPostmap: true });

/** Many updates in one call. */
export const update = row("update", {
  name: "update",
  title: "updateMany() of 100,000 entries",
  floor: "bare pipelined set",
  wanted: [{ against: "floor", atLeast: 0.6 }],
});
