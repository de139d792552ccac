import { count } from "../data.mjs";
import type { Environment } from "../environment.ts";
import { printingProgram, wholeProgram } from "../program.ts";
import type { Row, Turn } from "../row.ts";
import { Worker } from "../worker.ts";
import { requests } from "../workers/serve.mjs";
import { ours } from "./library.ts";

async function removeDatabase(path: string): Promise<void> {
  for (const suffix of ["", "-shm", "-wal"]) {
    await Deno.remove(path + suffix).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** Makes a `kv:` database with all entries. Returns its path. */
async function filledDatabase(
  environment: Environment,
  name = "filled.kv",
): Promise<string> {
  const path = `${environment.folder.path}/${name}`;
  await removeDatabase(path);
  await wholeProgram({
    command: [...await environment.cli(), "-i", `kv:${path}`],
    stdin: await environment.entriesFile(),
    signal: environment.signal,
  });
  return path;
}

/** The command that runs a bare script over a database. */
const bare = (kind: string, path: string) => [
  Deno.execPath(),
  ...["run", "-A", "--unstable-kv"],
  new URL("../workers/kv_floor.ts", import.meta.url).pathname,
  kind,
  path,
];

/** `-s` of all entries. */
export const list: Row = {
  name: "kv-list",
  title: "-s of 100,000 kv entries",
  unit: "ms",
  note: "postmap: a btree of the same; floor: a bare list",
  targets: [
    { against: "postmap", atMost: 2 },
    { against: "floor", atMost: 1.18 },
  ],
  async contestants(environment) {
    const { signal } = environment;
    const cli = await environment.cli();
    const btree = `btree:${await environment.entriesFile()}`;
    await wholeProgram({ command: ["postmap", btree], signal });
    const stdout = `${environment.folder.path}/listed`;
    const time = (command: string[]): Turn => () =>
      printingProgram({ command, stdout, signal }, count);
    const path = await filledDatabase(environment);
    return {
      tcp: time([...cli, "-s", `kv:${path}`]),
      postmap: time(["postmap", "-s", btree]),
      floor: time(bare("list", path)),
    };
  },
};

/** `-i` of all entries into a kv table. */
export const loadAlone: Row = {
  name: "kv-load-alone",
  title: "-i of 100,000, kv alone",
  unit: "k/s",
  note: "floor: bare commits of 500 entries, two under way",
  targets: [{ atLeast: 150 }, { against: "floor", atLeast: 0.5 }],
  async contestants(environment) {
    const { signal } = environment;
    const stdin = await environment.entriesFile();
    const path = `${environment.folder.path}/alone.kv`;
    const time = (command: string[]): Turn => async () => {
      await removeDatabase(path);
      return count / await wholeProgram({ command, stdin, signal });
    };
    return {
      tcp: time([...await environment.cli(), "-i", `kv:${path}`]),
      floor: time(bare("load", path)),
    };
  },
};

/** `-q -` of all keys in a kv table. */
export const bulk: Row = {
  name: "kv-bulk",
  title: "-q - of 100,000, kv table",
  unit: "k/s",
  note: "floor: bare getMany of 10 keys, 100 under way",
  targets: [{ against: "floor", atLeast: 0.8 }],
  async contestants(environment) {
    const { signal } = environment;
    const stdin = await environment.keysFile();
    const stdout = `${environment.folder.path}/kv-bulk`;
    const path = await filledDatabase(environment);
    const time = (command: string[]): Turn => async () =>
      count / await printingProgram({ command, stdin, stdout, signal }, count);
    return {
      tcp: time([...await environment.cli(), "-q", "-", `kv:${path}`]),
      floor: time(bare("get", path)),
    };
  },
};

/** `-i` of all entries into memcached and its kv backup. */
export const load: Row = {
  name: "kv-load",
  title: "-i of 100,000, kv and memcached",
  unit: "k/s",
  note: "postmap: a btree alone",
  targets: [{ atLeast: 100 }],
  async contestants(environment) {
    const { signal } = environment;
    const { table } = await environment.server("empty");
    const stdin = await environment.entriesFile();
    const btree = `${environment.folder.path}/loaded`;
    return {
      async tcp() {
        await removeDatabase(`${environment.folder.path}/backup.kv`);
        const command = [...await environment.cli(), "-i", table];
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
  targets: [{ against: "floor", atMost: 2 }],
  async contestants(environment, stack) {
    const path = await filledDatabase(environment);
    const start = (command: string[]) =>
      microseconds(stack.use(new Worker(command, environment.signal)));
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
  targets: [{ against: "floor", atMost: 2 }],
  async contestants(environment, stack) {
    const { memcached, table } = await environment.server("empty");
    const path = await filledDatabase(environment, "backup.kv");
    const start = (command: string[]) =>
      microseconds(stack.use(new Worker(command, environment.signal)));
    const turn = start(ours("sequential", table));
    return {
      async tcp() {
        // The previous turn has filled memcached.
        await memcached.flush();
        return await turn();
      },
      floor: start(bareGet(path)),
    };
  },
};

/** `warm`, which fills memcached from the kv backup. */
export const warm: Row = {
  name: "warm",
  title: "warm of 100,000, kv into memcached",
  unit: "k/s",
  note: "floor: -s of the backup, into -i",
  targets: [{ atLeast: 80 }],
  async contestants(environment) {
    const { signal } = environment;
    const { memcached, table } = await environment.server("empty");
    const cli = await environment.cli();
    const { server } = memcached;
    const path = await filledDatabase(environment, "backup.kv");
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
