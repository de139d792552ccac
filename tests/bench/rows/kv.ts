import { count } from "../data.mjs";
import type { Ground } from "../ground.ts";
import { mustHaveLines, wholeProgram } from "../program.ts";
import type { Row, Turn } from "../row.ts";
import { Worker } from "../worker.ts";
import { requests } from "../workers/serve.mjs";
import { ours } from "./library.ts";
import { cli } from "./whole_process.ts";

async function removeDatabase(path: string): Promise<void> {
  for (const suffix of ["", "-shm", "-wal"]) {
    await Deno.remove(path + suffix).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** A `kv:` database with all entries. */
async function filledDatabase(
  ground: Ground,
  name = "filled.kv",
): Promise<string> {
  const path = `${ground.folder.path}/${name}`;
  await removeDatabase(path);
  await wholeProgram({
    command: [...cli, "-i", `kv:${path}`],
    stdin: await ground.entriesFile(),
    signal: ground.signal,
  });
  return path;
}

/** `-s` of all entries. */
export const list: Row = {
  name: "kv-list",
  title: "-s of 100,000 kv entries",
  unit: "ms",
  note: "postmap: a btree of the same",
  wanted: [{ against: "postmap", atMost: 2 }],
  async contestants(ground) {
    const { signal } = ground;
    const btree = `btree:${await ground.entriesFile()}`;
    await wholeProgram({ command: ["postmap", btree], signal });
    const stdout = `${ground.folder.path}/listed`;
    const time = (command: string[]): Turn => async () => {
      const took = await wholeProgram({ command, stdout, signal });
      await mustHaveLines(stdout, count);
      return took;
    };
    return {
      tcp: time([...cli, "-s", `kv:${await filledDatabase(ground)}`]),
      postmap: time(["postmap", "-s", btree]),
    };
  },
};

/** `-i` of all entries into memcached and its kv backup. */
export const load: Row = {
  name: "kv-load",
  title: "-i of 100,000, kv and memcached",
  unit: "k/s",
  note: "postmap: a btree alone",
  wanted: [{ atLeast: 20 }],
  async contestants(ground) {
    const { signal } = ground;
    const { table } = await ground.server("empty");
    const stdin = await ground.entriesFile();
    const btree = `${ground.folder.path}/loaded`;
    return {
      async tcp() {
        await removeDatabase(`${ground.folder.path}/backup.kv`);
        const command = [...cli, "-i", table];
        return count / await wholeProgram({ command, stdin, signal });
      },
      async postmap() {
        await Deno.writeTextFile(btree, "");
        const command = ["postmap", "-i", `btree:${btree}`];
        const took = await wholeProgram({ command, stdin, signal });
        await Deno.remove(`${btree}.db`);
        return count / took;
      },
    };
  },
};

const microseconds = (worker: Worker): Turn => async () =>
  await worker.turn() * 1000 / requests.sequential;

const bareGet = (path: string) => [
  Deno.execPath(),
  ...["run", "-A", new URL("../workers/kv_get.ts", import.meta.url).pathname],
  path,
];

/** Lookups in a kv table, one after the other. */
export const lookup: Row = {
  name: "kv-lookup",
  title: "lookup() after lookup(), kv table",
  unit: "µs",
  note: "floor: bare kv.get",
  wanted: [{ against: "floor", atMost: 2 }],
  async contestants(ground, stack) {
    const path = await filledDatabase(ground);
    const start = (command: string[]) =>
      microseconds(stack.use(new Worker(command, ground.signal)));
    return {
      tcp: start(ours("sequential", `kv:${path}`)),
      floor: start(bareGet(path)),
    };
  },
};

/** Lookups that memcached misses and its kv backup answers. */
export const backup: Row = {
  name: "kv-backup",
  title: "lookup() answered by the kv backup",
  unit: "µs",
  note: "floor: bare kv.get",
  wanted: [{ against: "floor", atMost: 2 }],
  async contestants(ground, stack) {
    const { memcached, table } = await ground.server("empty");
    const path = await filledDatabase(ground, "backup.kv");
    const start = (command: string[]) =>
      microseconds(stack.use(new Worker(command, ground.signal)));
    const turn = start(ours("sequential", table));
    return {
      async tcp() {
        // The turn before has filled it.
        await memcached.flush();
        return await turn();
      },
      floor: start(bareGet(path)),
    };
  },
};

/** `warm`: memcached filled from the kv backup. */
export const warm: Row = {
  name: "warm",
  title: "warm of 100,000, kv into memcached",
  unit: "k/s",
  note: "floor: -s of the backup, into -i",
  wanted: [{ atLeast: 80 }],
  async contestants(ground) {
    const { signal } = ground;
    const { memcached, table } = await ground.server("empty");
    const { server } = memcached;
    const path = await filledDatabase(ground, "backup.kv");
    const cache = `memcache:{memcache=${server}}`;
    const copy = `${cli.join(" ")} -s kv:${path} | ${
      cli.join(" ")
    } -i ${cache}`;
    const time = (command: string[]): Turn => async () => {
      await memcached.flush();
      return count / await wholeProgram({ command, signal });
    };
    return {
      tcp: time([...cli, "warm", table]),
      floor: time(["sh", "-c", copy]),
    };
  },
};
