import { denoFlags } from "../package/install.ts";
import { buildProgram } from "../package/program_build.ts";
import { Installed } from "../runtimes/installed.ts";
import { Authority } from "../support/certificates.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { run } from "../support/processes.ts";
import { count, keys, values } from "./data.mjs";
import { installPackages } from "./npm_packages.ts";

/** A memcached, and a table that uses it. */
export interface Server {
  memcached: Memcached;
  /** `memcache:` and the file's path. */
  table: string;
}

/** The servers. All are filled, except `empty`, whose table has a kv backup. */
export type ServerName =
  | "tcp"
  | "tls"
  | "unix"
  | "pinned"
  | "pinned unix"
  | "empty";

/** The start of a command that is to run only on the first CPU. */
export const pinned = ["taskset", "-c", "0"];

/** What the contestants need. Each part starts at its first use; all end together. */
export class Environment implements AsyncDisposable {
  readonly folder: Folder;
  readonly signal: AbortSignal;
  #stack = new AsyncDisposableStack();
  #servers = new Map<ServerName, Promise<Server>>();
  #packages: Promise<string> | undefined;
  #installed: Promise<Installed> | undefined;
  #program: Promise<string> | undefined;

  private constructor(folder: Folder, signal: AbortSignal) {
    this.folder = this.#stack.use(folder);
    this.signal = signal;
  }

  static async make(signal: AbortSignal): Promise<Environment> {
    return new Environment(await Folder.make(), signal);
  }

  /** A file of all keys, one per line. */
  async keysFile(): Promise<string> {
    return await this.#file("keys", () => keys.join("\n") + "\n");
  }

  /** A file of all entries, in the form of `-i` and `-q -`. */
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

  /** The folder in which the npm packages are installed. */
  packages(): Promise<string> {
    return this.#packages ??= (async () => {
      const folder = `${this.folder.path}/npm`;
      await Deno.mkdir(folder);
      await installPackages(folder, this.signal);
      return folder;
    })();
  }

  /** The command that runs the built program on Deno, as the installed one does. */
  async cli(): Promise<string[]> {
    const folder = `${this.folder.path}/program`;
    this.#program ??= buildProgram(folder, undefined).then(() => folder);
    const flags = ["run", "-A", ...denoFlags];
    return [Deno.execPath(), ...flags, `${await this.#program}/cli.js`];
  }

  /** The npm package of this project, installed together with Bun and esbuild. */
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
    // memcached runs as the user nobody, and creates its socket here.
    await Deno.chmod(path, 0o777);
    const memcached = this.#stack.use(
      name.endsWith("unix")
        ? await Memcached.unix(`${path}/${slug}.sock`)
        : name === "tls"
        ? await this.#startTls()
        // As many threads as by default.
        : await Memcached.tcp(undefined, undefined, ["-t", "4"]),
    );
    if (name.startsWith("pinned")) {
      const { code, stderr } = await run("taskset", [
        ...["-a", "-c", "-p", "0"],
        `${memcached.pid}`,
      ]);
      if (code !== 0) throw new Error(stderr);
    }
    if (name !== "empty") await fill(memcached);
    const trusted = name === "tls" ? `tls_CAfile = ${this.authority}\n` : "";
    const backup = name === "empty" ? `backup = kv:${path}/backup.kv\n` : "";
    const file = await this.folder.write(
      `${slug}.cf`,
      `memcache = ${memcached.server}\nkey_format = a:%s\n${trusted}${backup}`,
    );
    return { memcached, table: `memcache:${file}` };
  }

  /** The path of the authority of the server with TLS. */
  get authority(): string {
    return `${this.folder.path}/ca.pem`;
  }

  async #startTls(): Promise<Memcached> {
    const authority = await Authority.make(this.folder.path);
    const certificate = await authority.sign("good", "IP:127.0.0.1");
    await Deno.chmod(this.folder.path, 0o777);
    const caCerts = await Deno.readTextFile(authority.cert);
    return await Memcached.tls({ ...certificate, caCerts });
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
