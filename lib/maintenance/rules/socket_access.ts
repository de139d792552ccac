import type { Endpoint } from "../../socket/socket.ts";
import type { FileSystem, User } from "../../system/file_system.ts";
import {
  blockedFolder,
  folderOf,
  may,
  owner,
  userNamed,
} from "../../system/ownership.ts";
import { runProgram } from "../../system/programs.ts";
import { ConfigError } from "../../errors.ts";
import { orUndefined } from "../instances.ts";
import { isLookupParameter } from "../named_tables.ts";
import { type Problem, problem } from "../parameter_checks.ts";
import { localSocket, type UsedTable } from "./rule.ts";

/**
 * Finds out whether the user that Postfix runs as can connect to the UNIX-domain
 * socket of a table that Postfix uses.
 *
 * Implements "memcache" of memcache_table(5).
 */
export async function socketProblems(
  used: UsedTable,
  endpoint: Endpoint,
): Promise<Problem[]> {
  const socket = await localSocket(used, endpoint);
  if (socket === undefined) return [];
  const { path, files } = socket;
  const { source, uses } = used;
  const names = new Set(
    uses.filter(({ namedBy }) => isLookupParameter(namedBy.parameter))
      .flatMap(({ instance }) =>
        orUndefined(() => instance.parameters.value("mail_owner")) ?? []
      ),
  );
  const problems: Problem[] = [];
  for (const name of names) {
    const user = userNamed(files, name);
    if (user === undefined) continue;
    const closed = await closedPlace(files, path, user);
    if (closed === undefined) continue;
    problems.push(problem(
      "error",
      `${
        source.written("memcache")
      } = unix:${path}: Postfix runs as the user ` +
        `${name}, who may not ${closed.what}: let that user in, by the mode ` +
        "or the group (memcached -a sets the mode of its socket)",
      source.setting("memcache"),
    ));
  }
  return problems;
}

/** What keeps a user from connecting to a socket. */
async function closedPlace(
  files: FileSystem,
  path: string,
  user: User,
): Promise<{ what: string } | undefined> {
  const folder = blockedFolder(files, folderOf(path), user);
  const place = folder ?? path;
  const status = files.look(place);
  if (typeof status === "string") return undefined;
  if (folder === undefined && may(user, status, 2)) return undefined;
  // With an access list, the bits of the group are the most that the list grants.
  const groupBit = folder === undefined ? 0o020 : 0o010;
  if ((status.mode & groupBit) !== 0 && await hasAccessList(place)) {
    return undefined;
  }
  const shown = `${place} (${owner(files, status)})`;
  return {
    what: folder === undefined ? `write ${shown}` : `enter the folder ${shown}`,
  };
}

/** Whether a file has an access list, which only a program can tell. */
async function hasAccessList(path: string): Promise<boolean> {
  try {
    const none = new Uint8Array(0);
    const { stdout } = await runProgram("ls", ["-ld", "--", path], none);
    return new TextDecoder().decode(stdout.subarray(0, 11)).endsWith("+");
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}
