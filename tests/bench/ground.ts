import { Installed } from "../runtimes/installed.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { run } from "../support/processes.ts";
import { count, keys, values } from "./data.mjs";
import { installPackages } from "./npm_packages.ts";

/** A memcached, and a table's configuration that names it. */
export interface Server {
  memcached: Memcached;
  /** `memcache:` and the file's path. */
  table: string;
}

/** Which memcached: filled ones but for `empty`, which kv tables stand behind. */
export type ServerName = "tcp" | "unix" | "pinned" | "pinned unix" | "empty";

/** Before the command of what shall run on the first CPU only. */
export const pinned = ["taskset", "-c", "0"];

/** What the contestants stand on. Started when first asked for; all gone at the end. */
export class Ground implements AsyncDisposable {
  readonly folder: Folder;
  readonly signal: AbortSignal;
  #stack = new AsyncDisposableStack();
  #servers = new Map<ServerName, Promise<Server>>();
  #packages: Promise<string> | undefined;
  #installed: Promise<Installed> | undefined;

  private constructor(folder: Folder, signal: AbortSignal) {
    this.folder = this.#stack.use(folder);
    this.signal = signal;
  }

  static async make(signal: AbortSignal): Promise<Ground> {
    return new Ground(await Folder.make(), signal);
  }

  /** A file of all keys, one a line. */
  async keysFile(): Promise<string> {
    return await this.#file("keys", () => keys.join("\n") + "\n");
  }

  /** A file of all entries, as `-i` reads and `-q -` prints them. */
  async entriesFile(): Promise<string> {
    return await this.#file(
      "entries",
      () => keys.map((key, at) => `${key}\t${values[at]}\n`).join(""),
    );
  }

  server(name: ServerName): Promise<Server> {
    let server = this.#servers.get(name);
    if (server === undefined) {
      server = this.#start(name);
      this.#servers.set(name, server);
    }
    return server;
  }

  /** The folder where npm's packages are installed. */
  packages(): Promise<string> {
    return this.#packages ??= (async () => {
      const folder = `${this.folder.path}/npm`;
      await Deno.mkdir(folder);
      await installPackages(folder, this.signal);
      return folder;
    })();
  }

  /** The npm package of this project, as a stranger has it, with Bun and esbuild. */
  installed(): Promise<Installed> {
    return this.#installed ??=
      (async () => this.#stack.use(await Installed.make()))();
  }

  async #file(name: string, content: () => string): Promise<string> {
    const path = `${this.folder.path}/${name}`;
    return await Deno.stat(path).then(() => true, () => false)
      ? path
      : await this.folder.write(name, content());
  }

  async #start(name: ServerName): Promise<Server> {
    const { path } = this.folder;
    const slug = name.replace(" ", "-");
    // memcached runs as nobody, and makes its socket here.
    await Deno.chmod(path, 0o777);
    const memcached = this.#stack.use(
      name.endsWith("unix")
        ? await Memcached.unix(`${path}/${slug}.sock`)
        : await Memcached.tcp(),
    );
    if (name.startsWith("pinned")) {
      const { code, stderr } = await run("taskset", [
        ...["-a", "-c", "-p", "0"],
        `${memcached.pid}`,
      ]);
      if (code !== 0) throw new Error(stderr);
    }
    if (name !== "empty") await fill(memcached);
    const backup = name === "empty" ? `backup = kv:${path}/backup.kv\n` : "";
    const file = await this.folder.write(
      `${slug}.cf`,
      `memcache = ${memcached.server}\nkey_format = a:%s\n${backup}`,
    );
    return { memcached, table: `memcache:${file}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function fill(memcached: Memcached): Promise<void> {
  const piece = 1000;
  for (let start = 0; start < count; start += piece) {
    const sets = keys.slice(start, start + piece).map((key, at) => {
      const value = values[start + at];
      return `set a:${key} 0 0 ${value.length} noreply\r\n${value}\r\n`;
    });
    await memcached.talk(`${sets.join("")}version\r\n`, "\r\n");
  }
}
