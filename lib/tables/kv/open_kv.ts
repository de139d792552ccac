import { shellWords } from "../../bytes/shell_words.ts";
import { systemClock } from "../../system/clock.ts";
import { environment } from "../../system/files.ts";
import { fileSystem } from "../../system/file_system.ts";
import { runtime } from "../../system/runtime.ts";
import type { KvDatabase } from "../../kv_database.ts";
import type { OpenOptions } from "../../table.ts";
import { DriverTable, refusalHandler } from "../driver_table.ts";
import { duplicateHandler, type Opening, orConfigError } from "../opening.ts";
import { DatabaseFile } from "./database_file.ts";
import { DatabaseSource } from "./database_source.ts";
import { KvFailure } from "./failures.ts";
import { KvDriver } from "./kv_driver.ts";
import {
  checkName,
  denoLocation,
  type Location,
  nameWithScheme,
  plainLocation,
} from "./location.ts";
import { far, near, unknown } from "./under_way.ts";
import type { RemoteDatabase } from "./remote_database.ts";

/**
 * Opens `kv:PATH`, a table in a Deno KV database; `kv:` alone means the platform's
 * default database, and `kv:https://HOST/PATH` one on another machine.
 * `kv:PATH#NAMESPACE` is one of several tables in a database. The first write
 * creates a database in a file.
 */
export async function openKvTable(opening: Opening): Promise<DriverTable> {
  const { name, path, options, rules } = opening;
  const { database, namespace } = parseKvPath(path);
  // What the openKv option takes for a name is for it to say.
  if (database !== undefined && options.openKv === undefined) {
    orConfigError(name, {}, () => checkName(database));
  }
  const { keepsFile, location, file } = await findPlace(database, options);
  const { onWarning } = rules;
  if (location.kind === "memory" && location.insteadOf !== undefined) {
    onWarning(
      `${name}: DENO_KV_DB_MODE=memory in the environment: nothing is read ` +
        `from ${location.insteadOf}, and nothing is kept`,
    );
  }
  const clock = options.clock ?? systemClock;
  let opener = openerOf(database, options, location);
  let remote: RemoteDatabase | undefined;
  if (location.kind === "remote") {
    const [{ RemoteDatabase }, { KvService, tokenVariable }] = await Promise
      .all([
        import("./remote_database.ts"),
        import("./remote_service.ts"),
      ]);
    const token = () => environment(tokenVariable) || undefined;
    const { url } = location;
    const isNamed = name.includes(url);
    const service = new KvService({ url, isNamed, token, clock });
    const { ready, open } = opener;
    const made = remote = new RemoteDatabase(() => open(true), service);
    opener = { ready, open: () => Promise.resolve(made) };
  }
  const driver = new KvDriver({
    name,
    namespace,
    text: rules.text,
    write: rules.write,
    pace: remote !== undefined ? far : keepsFile ? near : unknown,
    replace: (options.duplicates ?? "replace") === "replace",
    onDuplicate: duplicateHandler(opening),
    refuse: refusalHandler(name, rules),
    onWarning,
    source: (onSlow) =>
      new DatabaseSource({
        ...opener,
        remote,
        file,
        keepsFile,
        hasLocks: keepsFile && ["file", "untold"].includes(location.kind),
        hasTimers: runtime !== "other",
        clock,
        onSlow,
        onWarning: (message) => onWarning(`${name}: ${message}`),
      }),
  });
  return new DriverTable(name, driver, rules);
}

/** The name of the database, `undefined` for the default one, and the namespace. */
export function parseKvPath(
  path: string,
): { database: string | undefined; namespace: string } {
  const hash = path.lastIndexOf("#");
  const database = hash < 0 ? path : path.slice(0, hash);
  return {
    database: database === "" ? undefined : nameWithScheme(database),
    namespace: hash < 0 ? "" : path.slice(hash + 1),
  };
}

/** The place of a database, and how it is opened. */
export interface Place {
  readonly location: Location;
  /** Whether this module, not the openKv option, creates and examines the file. */
  readonly keepsFile: boolean;
  /** Whether Deno itself opens it. */
  readonly isByDeno: boolean;
  readonly file?: DatabaseFile;
}

/** Finds the place of a database. */
export async function findPlace(
  database: string | undefined,
  { openKv, kvLibrary }: OpenOptions,
): Promise<Place> {
  const keepsFile = openKv === undefined;
  const isByDeno = opensByDeno({ openKv, kvLibrary });
  const location = isByDeno
    ? denoLocation(database, environment)
    : plainLocation(database);
  const files = await fileSystem();
  const file = files === undefined || location.kind !== "file"
    ? undefined
    : new DatabaseFile(files, location.path);
  return { location, keepsFile, isByDeno, file };
}

/** Whether Deno itself opens the database. */
function opensByDeno({ openKv, kvLibrary }: OpenOptions): boolean {
  return runtime === "deno" && openKv === undefined && kvLibrary === undefined;
}

/** The functions that open a database; see `SourceParts`. */
interface Opener {
  ready(): Promise<void>;
  open(create: boolean): Promise<KvDatabase | undefined>;
}

function openerOf(
  database: string | undefined,
  { openKv, kvLibrary }: OpenOptions,
  location: Location,
): Opener {
  if (openKv !== undefined) {
    return {
      ready: () => Promise.resolve(),
      open: (create) => openKv(database, { create }),
    };
  }
  if (opensByDeno({ openKv, kvLibrary })) {
    const path = location.kind === "file" ? location.path : undefined;
    return {
      ready: () => Promise.resolve(void denoOpenKv()),
      open: () => openDenoKv(database, path),
    };
  }
  const library = async () => {
    if (kvLibrary !== undefined) return await kvLibrary(database);
    throw new KvFailure(
      `this runtime has no KV of its own: hand in the openKv option, ` +
        `of @deno/kv on Node and Bun, with workersKv on Cloudflare`,
      { lasting: true },
    );
  };
  return {
    ready: async () => void await library(),
    open: async () => {
      const { openKv } = await library();
      // SQLite would take such a path for a URL.
      return await openKv(database?.replace(/^file:/, "./file:"));
    },
  };
}

// Deno declares openKv only with --unstable-kv.
function denoOpenKv(): (path?: string) => Promise<KvDatabase> {
  const { openKv } = Deno as unknown as {
    openKv?: (path?: string) => Promise<KvDatabase>;
  };
  if (openKv !== undefined) return openKv;
  throw new KvFailure(
    `Deno KV is not turned on: run Deno with --unstable-kv, ` +
      `or have "unstable": ["kv"] in deno.json`,
    { lasting: true },
  );
}

async function openDenoKv(
  database: string | undefined,
  path: string | undefined,
): Promise<KvDatabase> {
  try {
    return await denoOpenKv()(database);
  } catch (cause) {
    const isFile = path !== undefined &&
      cause instanceof Deno.errors.NotCapable;
    if (!isFile) throw cause;
    throw new KvFailure(
      "no permission to open it: run Deno with " +
        shellWords(`--allow-read=${path}`, `--allow-write=${path}`),
      { lasting: true, cause },
    );
  }
}
