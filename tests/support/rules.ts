import { checkTable, type TableCheck } from "../../lib/maintenance/mod.ts";
import { Folder } from "./folder.ts";

/** Files of a configuration directory. */
export interface Configuration {
  /** Lines of main.cf. */
  main: string;
  /** Lines of master.cf; without it, there is none. */
  master?: string;
  /** Lines of the table's file. */
  table?: string;
}

/** A configuration directory with one memcache table, and no server. */
export class CheckedFolder implements AsyncDisposable {
  /** The directory. */
  readonly path: string;
  #folder: Folder;

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.path = folder.path;
  }

  static async make(): Promise<CheckedFolder> {
    return new CheckedFolder(await Folder.make());
  }

  /** The table. */
  get table(): string {
    return `memcache:${this.path}/t.cf`;
  }

  /** Writes a file, in which TABLE and DIR stand for the table and the directory. */
  async write(name: string, text: string): Promise<void> {
    const whole = text.replaceAll("TABLE", this.table)
      .replaceAll("DIR", this.path);
    await this.#folder.write(name, whole);
  }

  /** Checks a table with this configuration. */
  async check(
    { main, master, table = "" }: Configuration,
    name = this.table,
  ): Promise<TableCheck> {
    await this.write("main.cf", `compatibility_level = 3.6\n${main}`);
    if (master !== undefined) await this.write("master.cf", master);
    await this.write("t.cf", table);
    return await checkTable(name, {
      configDirectory: this.path,
      connect: () => Promise.reject(new Error("none")),
    });
  }

  /** What a check says, in which DIR stands for the directory, of the rules alone. */
  async said(files: Configuration, name?: string): Promise<string[]> {
    const { problems } = await this.check(files, name);
    return problems.map(({ severity, message }) =>
      `${severity}: ${message}`.replaceAll(this.path, "DIR")
    ).filter((message) => !message.includes("cannot connect to memcached"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
