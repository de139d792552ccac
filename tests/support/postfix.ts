import { Folder } from "./folder.ts";
import { run } from "./processes.ts";

/** Additional lines of configuration. */
export interface MoreLines {
  main: string[];
  master: string[];
}

/** A real Postfix for one test, with only the services that the test needs. */
export class Postfix implements AsyncDisposable {
  /** The directory of main.cf. */
  readonly configDirectory: string;
  /** The directory in which its services may write. */
  readonly dataDirectory: string;
  #folder: Folder;

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.configDirectory = `${folder.path}/config`;
    this.dataDirectory = `${folder.path}/data`;
  }

  /** Starts one whose proxymap serves these tables in its data directory. */
  static async start(
    tables: (dataDirectory: string) => string[],
    more: MoreLines = { main: [], master: [] },
  ): Promise<Postfix> {
    return await Postfix.#start((data) => {
      const approved = tables(data).join(", ");
      return {
        main: [
          `proxy_read_maps = ${approved}`,
          `proxy_write_maps = ${approved}`,
          ...more.main,
        ],
        master: [
          "proxymap unix - - n - - proxymap",
          "proxywrite unix - - n - 1 proxymap",
          ...more.master,
        ],
      };
    });
  }

  /**
   * Starts one that accepts mail from `sendmail` and discards it. `main` are lines
   * of main.cf, to rewrite addresses.
   */
  static async startMail(main: string[]): Promise<Postfix> {
    const services = ["bounce", "trace", "defer"].map((name) =>
      `${name} unix - - n - 0 bounce`
    );
    return await Postfix.#start(() => ({
      main: ["default_transport = discard:", ...main],
      master: [
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "discard unix - - n - - discard",
        "error unix - - n - - error",
        ...services,
      ],
    }));
  }

  static async #start(
    make: (dataDirectory: string) => MoreLines,
  ): Promise<Postfix> {
    const folder = await Folder.make();
    const postfix = new Postfix(folder);
    await Deno.chmod(folder.path, 0o755);
    for (const name of ["config", "queue", "data"]) {
      await Deno.mkdir(`${folder.path}/${name}`);
    }
    const { main, master } = make(postfix.dataDirectory);
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
        ...main,
        "",
      ].join("\n"),
    );
    await folder.write(
      "config/master.cf",
      [...master, "postlog unix-dgram n - n - 1 postlogd", ""].join("\n"),
    );
    await folder.write("log", "");
    await run("chown", ["postfix", postfix.dataDirectory]);
    const { code, stderr } = await postfix.command("start");
    if (code !== 0) throw new Error(`postfix does not start: ${stderr}`);
    return postfix;
  }

  /** Sends a message with `sendmail`. */
  async send(recipient: string): Promise<void> {
    const { code, stderr } = await run("sendmail", [
      ...["-C", this.configDirectory],
      ...["-f", "sender@example.org", recipient],
    ], { stdin: "Subject: test\n\ntest\n" });
    if (code !== 0) throw new Error(`sendmail fails: ${stderr}`);
  }

  /** The log of its daemons. */
  async log(): Promise<string> {
    return await Deno.readTextFile(this.#log);
  }

  get #log(): string {
    return `${this.#folder.path}/log`;
  }

  /** Waits until the log has so many matching lines. Returns the last of them. */
  async logged(pattern: RegExp, times = 1): Promise<string> {
    const find = async () => {
      const lines = (await this.log()).split("\n");
      const matching = lines.filter((line) => pattern.test(line));
      return matching.length < times ? undefined : matching.at(-1);
    };
    const watcher = Deno.watchFs(this.#log);
    const limit = AbortSignal.timeout(30_000);
    const giveUp = () => watcher.close();
    limit.addEventListener("abort", giveUp);
    try {
      const there = await find();
      if (there !== undefined) return there;
      for await (const _ of watcher) {
        const line = await find();
        if (line !== undefined) return line;
      }
      throw new Error(`not ${times} times ${pattern} in:\n${await this.log()}`);
    } finally {
      limit.removeEventListener("abort", giveUp);
      if (!limit.aborted) watcher.close();
    }
  }

  /** Makes a database in the data directory, owned by the user postfix. */
  async make(name: string, text: string): Promise<void> {
    const file = name.slice(name.lastIndexOf(":") + 1);
    await Deno.writeTextFile(file, text);
    await run("chown", ["postfix", file]);
    await run("postmap", ["-c", this.configDirectory, name]);
  }

  /** Runs `postfix start`, `reload` or `stop`. */
  command(what: string): Promise<{ code: number; stderr: string }> {
    return run("postfix", ["-c", this.configDirectory, what]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.command("stop");
    await this.#folder[Symbol.asyncDispose]();
  }
}
