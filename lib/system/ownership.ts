import type { FileStatus, FileSystem, User } from "./file_system.ts";

/** The folder of a file. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}

/** The innermost folder of a path, itself included, that a user may not enter. */
export function blockedFolder(
  files: FileSystem,
  folder: string,
  user: User | undefined,
): string | undefined {
  for (let at = folder;; at = folderOf(at)) {
    const status = files.look(at);
    if (typeof status !== "string" && !may(user, status, 1)) {
      return at;
    }
    if (at === folderOf(at)) return undefined;
  }
}

/** Whether a user has permissions: 4 read, 2 write, 1 enter, or their sum. */
export function may(
  user: User | undefined,
  { mode, owner, group }: FileStatus,
  bits: number,
): boolean {
  if (user === undefined || user.id === 0) return true;
  const shift = user.id === owner ? 6 : user.groups.includes(group) ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

/** The owner, group and mode of a file. */
export function owner(files: FileSystem, status: FileStatus): string {
  const user = nameIn(files, "/etc/passwd", status.owner);
  const group = nameIn(files, "/etc/group", status.group);
  const mode = status.mode.toString(8).padStart(4, "0");
  return `owner ${user}, group ${group}, mode ${mode}`;
}

/** The name of a user or group, or the number where it has none. */
export function nameIn(files: FileSystem, list: string, id: number): string {
  for (const line of files.readText(list)?.split("\n") ?? []) {
    const [name, , number] = line.split(":");
    if (number === `${id}`) return name;
  }
  return `${id}`;
}

/**
 * A user by the name in /etc/passwd, with the groups of /etc/group; `undefined` if it
 * is not there.
 */
export function userNamed(files: FileSystem, name: string): User | undefined {
  const find = (list: string, matches: (fields: string[]) => boolean) =>
    (files.readText(list)?.split("\n") ?? []).map((line) => line.split(":"))
      .filter(matches);
  const [entry] = find("/etc/passwd", ([user]) => user === name);
  if (entry === undefined || !/^\d+$/.test(entry[2] ?? "")) return undefined;
  const groups = find(
    "/etc/group",
    ([, , , members]) => members?.split(",").includes(name) ?? false,
  ).map(([, , id]) => Number(id));
  return { id: Number(entry[2]), groups: [Number(entry[3]), ...groups] };
}

/** A user who owns nothing and is in no group. */
export const anybody: User = { id: -1, groups: [] };

/** Whether every user may read a file, by its mode and those of its folders. */
export function everybodyMayReach(files: FileSystem, path: string): boolean {
  const file = files.look(path);
  return typeof file !== "string" && may(anybody, file, 4) &&
    blockedFolder(files, folderOf(path), anybody) === undefined;
}
