import type { Endpoint } from "../../socket/socket.ts";
import { type FileSystem, fileSystem } from "../../system/file_system.ts";
import type { OpenOptions } from "../../table.ts";
import type {
  MemcacheParameters,
  ParameterSource,
} from "../../tables/memcache/parameters.ts";
import type { Instance } from "../instances.ts";
import type { Use } from "../named_tables.ts";

/** A memcache table, and what Postfix does with it: what the rules are about. */
export interface UsedTable {
  /** Its name as main.cf has it. */
  readonly table: string;
  readonly source: ParameterSource;
  /** Its parameters, with defaults in place of invalid values. */
  readonly parameters: MemcacheParameters;
  /** Where main.cf and master.cf name it; empty if they do not. */
  readonly uses: readonly Use[];
  /** The instances of Postfix that it may be used by; none if main.cf is unreadable. */
  readonly instances: readonly Instance[];
  /** The options of the check. */
  readonly options: OpenOptions;
}

/** A UNIX-domain socket on this machine. */
export interface LocalSocket {
  readonly path: string;
  readonly files: FileSystem;
}

/**
 * The UNIX-domain socket of a table, if its file can be looked at; `undefined` for
 * other servers, and for a path that depends on the directory of a program.
 */
export async function localSocket(
  { options }: UsedTable,
  endpoint: Endpoint,
): Promise<LocalSocket | undefined> {
  if (endpoint.transport !== "unix" || options.readFile !== undefined) {
    return undefined;
  }
  const { path } = endpoint;
  const files = path.startsWith("/") ? await fileSystem() : undefined;
  return files && { path, files };
}
