import { Folder } from "./folder.ts";
import { run } from "./processes.ts";

/** Lines of configuration, beside those that a Postfix needs anyway. */
export interface MoreLines {
  main: string[];
  master: string[];
}

/** A real Postfix of one's own, with its proxymap services and what is wanted. */
export class Postfix implements AsyncDisposable {
  /** Where main.cf is. */
  readonly configDirectory: string;
  /** Where the service may write. */
  readonly dataDirectory: string;
  #folder: Folder;

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.configDirectory = `${folder.path}/config`;
    this.dataDirectory = `${folder.path}/data`;
  }

  /** Starts one that approves tables in its data directory, by these names. */
  static async start(
    tables: (dataDirectory: string) => string[],
    more: MoreLines = { main: [], master: [] },
  ): Promise<Postfix> {
    const folder = await Folder.make();
    const postfix = new Postfix(folder);
    await Deno.chmod(folder.path, 0o755);
    for (const name of ["config", "queue", "data"]) {
      await Deno.mkdir(`${folder.path}/${name}`);
    }
    const approved = tables(postfix.dataDirectory).join(", ");
    await folder.write(
      "config/main.cf",
      [
        "compatibility_level = 3.6",
        `queue_directory = ${folder.path}/queue`,
        `data_directory = ${postfix.dataDirectory}`,
        `maillog_file = ${folder.path}/log`,
        "maillog_file_prefixes = /tmp",
        "inet_interfaces = loopback-only",
        "mydestination =",
        `proxy_read_maps = ${approved}`,
        `proxy_write_maps = ${approved}`,
        ...more.main,
        "",
      ].join("\n"),
    );
    await folder.write(
      "config/master.cf",
      [
        "proxymap unix - - n - - proxymap",
        "proxywrite unix - - n - 1 proxymap",
        "postlog unix-dgram n - n - 1 postlogd",
        ...more.master,
        "",
      ].join("\n"),
    );
    await folder.write("log", "");
    await run("chown", ["postfix", postfix.dataDirectory]);
    const { code, stderr } = await postfix.command("start");
    if (code !== 0) throw new Error(`postfix does not start: ${stderr}`);
    return postfix;
  }

  /** Makes a database of the data directory, owned as the services need it. */
  async make(name: string, text: string): Promise<void> {
    const file = name.slice(name.lastIndexOf(":") + 1);
    await Deno.writeTextFile(file, text);
    await run("chown", ["postfix", file]);
    await run("postmap", ["-c", this.configDirectory, name]);
  }

  /** `start`, `reload`, `stop`. */
  command(what: string): Promise<{ code: number; stderr: string }> {
    return run("postfix", ["-c", this.configDirectory, what]);
  }

  /** What its daemons have logged. */
  async log(): Promise<string> {
    return await Deno.readTextFile(`${this.#folder.path}/log`);
  }

  /** Waits until a daemon logs what matches, so many times in all. */
  async logged(pattern: RegExp, times = 1): Promise<void> {
    const all = new RegExp(pattern, "g");
    for (let attempt = 0; attempt < 500; attempt++) {
      if ((await this.log()).match(all)?.length === times) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not ${times} times ${pattern} in:\n${await this.log()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.command("stop");
    await this.#folder[Symbol.asyncDispose]();
  }
}
