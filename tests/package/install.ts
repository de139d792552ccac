// `deno task install [--prefix DIR] [--uninstall]`: installs the command
// memcache-table from this clone, or removes it.
// @ts-types="../support/std_parse_args.d.ts"
import { parseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";
import { fileSystem } from "../../lib/system/file_system.ts";
import { anybody, may } from "../../lib/system/ownership.ts";
import { bashCompletion } from "./completion.ts";
import { manPage } from "./man_page.ts";
import { buildProgram, currentCommit } from "./program_build.ts";
import { units } from "./units.ts";

const name = "memcache-table";

// The first lines of the command. A file without them is not ours, and stays.
const launcherStart = `#!/bin/sh\n# ${name}: made by "deno task install".\n`;

/** What may be asked of Deno by some table; what a service needs may be less. */
const permissions = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-sys",
  "--allow-run=postmap",
  "--allow-env",
];

/**
 * What is asked of Deno besides:
 *
 * - It reads bulk.js and rest.js only when something of them is called for. It then
 *   needs a permission for that, which the command has.
 * - Memory stays flat. By default, the garbage collector waits longer the more there
 *   is; that makes nothing faster here.
 */
export const denoFlags = [
  "--unstable-kv",
  "--unstable-lazy-dynamic-imports",
  "--v8-flags=--max-semi-space-size=4",
];

/** A mistake of who calls it. The message says what to do. */
export class InstallError extends Error {}

/** Where the command is installed, and with which Deno. */
export interface Place {
  readonly prefix: string;
  readonly deno: string;
}

function quoted(text: string): string {
  if (/^[\w./+@-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function launcher({ prefix, deno }: Place): string {
  const flags = ["--quiet", "--no-config", "--no-lock", "--no-remote"];
  return launcherStart +
    // Where postmap is, which only root has in PATH.
    "PATH=$PATH:/usr/sbin:/sbin\n" +
    `exec ${quoted(deno)} run ${flags.join(" ")} --no-npm \\\n` +
    `  ${denoFlags.join(" ")} \\\n` +
    `  ${permissions.join(" ")} \\\n` +
    `  ${quoted(`${prefix}/lib/${name}/cli.js`)} "$@"\n`;
}

const sysusers = `# The user of the services: systemd-sysusers creates it.
u ${name} - "Tables for Postfix" /var/lib/${name}
`;

/** The files that are installed, by their path under the prefix. */
async function files(place: Place): Promise<Record<string, string>> {
  const made = units(`${place.prefix}/bin/${name}`);
  return {
    [`bin/${name}`]: launcher(place),
    [`share/man/man1/${name}.1`]: await manPage(),
    [`share/bash-completion/completions/${name}`]: await bashCompletion(),
    ...Object.fromEntries(
      Object.entries(made).map(([file, text]) => [
        `lib/systemd/system/${file}`,
        text,
      ]),
    ),
    [`lib/sysusers.d/${name}.conf`]: sysusers,
  };
}

const programFiles = ["cli.js", "bulk.js", "rest.js"]
  .flatMap((file) => [file, `${file}.map`]);

async function mustBeOurs(path: string): Promise<void> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (text.startsWith(launcherStart)) return;
  throw new InstallError(
    `${path} is something else: remove it, or choose another --prefix`,
  );
}

/** Writes a file as a whole, so that a command that runs keeps its own. */
async function replace(path: string, text: string, mode: number) {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const next = `${path}.new`;
  try {
    await Deno.writeTextFile(next, text);
    await Deno.chmod(next, mode);
    await Deno.rename(next, path);
  } catch (error) {
    // Such as a part of it, on a full disk.
    await Deno.remove(next).catch(() => {});
    throw error;
  }
}

/** Installs, or installs anew. Returns the paths. */
export async function install(place: Place): Promise<string[]> {
  const { prefix } = place;
  await mustBeOurs(`${prefix}/bin/${name}`);
  const built = await Deno.makeTempDir();
  const paths: string[] = [];
  try {
    await buildProgram(built, await currentCommit());
    // The rest first: the command names what is there.
    for (const file of programFiles.toReversed()) {
      const path = `${prefix}/lib/${name}/${file}`;
      await replace(path, await Deno.readTextFile(`${built}/${file}`), 0o644);
      paths.push(path);
    }
  } finally {
    await Deno.remove(built, { recursive: true });
  }
  for (const [file, text] of Object.entries(await files(place)).toReversed()) {
    const path = `${prefix}/${file}`;
    await replace(path, text, file.startsWith("bin/") ? 0o755 : 0o644);
    paths.push(path);
  }
  return paths.toReversed();
}

/** Removes what was installed. Returns the paths that were there. */
export async function uninstall(place: Place): Promise<string[]> {
  const { prefix } = place;
  await mustBeOurs(`${prefix}/bin/${name}`);
  const paths = [
    ...Object.keys(await files(place)),
    ...programFiles.map((file) => `lib/${name}/${file}`),
  ].map((file) => `${prefix}/${file}`);
  const removed: string[] = [];
  for (const path of paths) {
    try {
      await Deno.remove(path);
      removed.push(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  await removeEmptyFolders(prefix, removed);
  return removed;
}

/** Removes the folders of removed files, up to the prefix, that are empty now. */
async function removeEmptyFolders(prefix: string, removed: readonly string[]) {
  for (const path of removed) {
    let folder = path.slice(0, path.lastIndexOf("/"));
    while (folder.length > prefix.length) {
      const isGone = await Deno.remove(folder).then(() => true, () => false);
      if (!isGone) break;
      folder = folder.slice(0, folder.lastIndexOf("/"));
    }
  }
}

function defaultPrefix(): string {
  if (Deno.uid() === 0) return "/usr/local";
  const home = Deno.env.get("HOME");
  if (home !== undefined) return `${home}/.local`;
  throw new InstallError("there is no $HOME: choose a place with --prefix DIR");
}

/** Why not every user can run a program: a part of its path that only some may use. */
export async function closedPart(program: string): Promise<string | undefined> {
  const files = (await fileSystem())!;
  const parts = (await Deno.realPath(program)).split("/");
  for (let end = 2; end <= parts.length; end++) {
    const path = parts.slice(0, end).join("/");
    const status = files.look(path);
    if (typeof status !== "string" && !may(anybody, status, 1)) return path;
  }
}

/** What is to be done next, or is of use to know. */
async function advice({ prefix, deno }: Place): Promise<string[]> {
  const lines = [`It runs with ${deno}; after that has moved, install again.`];
  const closed = await closedPart(deno);
  if (closed !== undefined) {
    lines.push(
      `Only some users may enter ${closed}, so others, such as that of the services,`,
      "cannot run it. For all: npm install -g deno, and install again with that.",
    );
  }
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  if (!folders.includes(`${prefix}/bin`)) {
    lines.push(
      `${prefix}/bin is not in PATH: export PATH="${prefix}/bin:$PATH"`,
    );
  }
  const command = quoted(`${prefix}/bin/${name}`);
  lines.push(`Try it: ${command} -q alice inline:{alice=wonderland}`);
  if (prefix === "/usr/local" || prefix === "/usr") {
    lines.push(
      "As a service: systemd-sysusers; then mkdir -p /etc/memcache-table, write",
      "NAME.conf there, and systemctl enable --now memcache-table@NAME",
    );
  } else {
    lines.push(
      "Services: systemctl link " +
        quoted(`${prefix}/lib/systemd/system/${name}@.service`),
    );
  }
  return lines;
}

async function main(args: string[]): Promise<void> {
  const usage = "deno task install [--prefix DIR] [--uninstall]";
  const options = parseArgs(args, {
    string: ["prefix"],
    boolean: ["uninstall", "help"],
    unknown: (argument) => {
      if (argument === "") throw new InstallError("--prefix needs a folder");
      throw new InstallError(`what is ${argument}? ${usage}`);
    },
  });
  if (options.help) return console.log(`Usage: ${usage}`);
  if (options.prefix === "") throw new InstallError(`--prefix needs a folder`);
  const wanted = `${options.prefix ?? defaultPrefix()}`;
  const prefix = (wanted.startsWith("/") ? wanted : `${Deno.cwd()}/${wanted}`)
    .replace(/\/+$/, "");
  const place = { prefix, deno: Deno.execPath() };
  if (options.uninstall) {
    const removed = await uninstall(place);
    if (removed.length === 0) {
      throw new InstallError(`nothing is installed under ${prefix}`);
    }
    for (const path of removed) console.log(`removed ${path}`);
    return;
  }
  for (const path of await install(place)) console.log(path);
  for (const line of ["", ...await advice(place)]) console.log(line);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    const { message } = error as Error;
    console.error(`install: ${message}`);
    const isDenied = error instanceof Deno.errors.PermissionDenied;
    if (isDenied) console.error("install: be root, or choose a --prefix");
    Deno.exit(1);
  }
}
