import { ConfigError } from "../../errors.ts";
import { pathExists } from "../../system/files.ts";
import type { Table } from "../../table.ts";
import type { KvDatabase } from "../../kv_database.ts";
import { KvDriver } from "./kv_driver.ts";
import { duplicateWarning, type Opening } from "../opening.ts";
import { DriverTable } from "../driver_table.ts";

/**
 * Opens `kv:PATH`, a table in a Deno KV database; `kv:` alone is the platform's
 * default one. `kv:PATH#NAMESPACE` is one of several tables in it. The database
 * is created when it is first written.
 */
export function openKvTable(opening: Opening): Promise<Table> {
  const { name, path, options, rules } = opening;
  const hash = path.lastIndexOf("#");
  const file = hash < 0 ? path : path.slice(0, hash);
  const driver = new KvDriver({
    name,
    namespace: hash < 0 ? "" : path.slice(hash + 1),
    text: rules.text,
    replace: (options.duplicates ?? "replace") === "replace",
    onDuplicate: duplicateWarning(opening),
    onWarning: rules.onWarning,
    clock: options.clock,
    openDatabase: async (create) => {
      const where = file === "" ? undefined : file;
      if (options.openKv !== undefined) {
        return await options.openKv(where, { create });
      }
      if (where !== undefined && !create && !await pathExists(where)) {
        return undefined;
      }
      return await openDenoKv(name, where);
    },
  });
  return Promise.resolve(new DriverTable(name, driver, rules));
}

async function openDenoKv(
  name: string,
  path: string | undefined,
): Promise<KvDatabase> {
  if (!("Deno" in globalThis)) {
    throw new ConfigError(
      `${name}: this runtime has no KV of its own: hand in the openKv option, ` +
        `of @deno/kv on Node and Bun, with workersKv on Cloudflare`,
    );
  }
  // The types of Deno KV are there only where it is turned on.
  const { openKv } = Deno as unknown as {
    openKv?: (path?: string) => Promise<KvDatabase>;
  };
  if (openKv === undefined) {
    throw new ConfigError(
      `${name}: Deno KV is not turned on: run Deno with --unstable-kv, ` +
        `or have "unstable": ["kv"] in deno.json`,
    );
  }
  try {
    return await openKv(path);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotCapable
      ? `no permission to open it: run Deno with --allow-read=${path} --allow-write=${path}`
      : (cause as Error).message;
    throw new ConfigError(`${name}: ${reason}`, { cause });
  }
}
