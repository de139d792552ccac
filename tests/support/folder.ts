/** A temporary folder, removed at the end of its scope. */
export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await Deno.makeTempDir({ prefix: "memcache-table-" }));
  }

  /** Writes a file; returns its path. */
  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = `${this.path}/${name}`;
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    // Postfix reads a file repeatedly while it is younger than a second.
    const old = new Date(Date.now() - 3600_000);
    await Deno.utime(path, old, old);
    return path;
  }

  /** Makes it a configuration directory of Postfix, with UTF-8 support by default. */
  async mailConfiguration(more = ""): Promise<string> {
    await this.write("main.cf", `compatibility_level = 3.6\n${more}`);
    return this.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
