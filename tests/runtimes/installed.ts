import { byteText, utf8Text } from "../../lib/key/text.ts";
import { pack } from "../package/build.ts";
import { Folder } from "../support/folder.ts";
import { type Finished, latin1 } from "../support/processes.ts";

// In exactly these versions, so that no lock file is needed.
const tools = {
  "@deno/kv": "0.14.0",

  bun: "1.4.5",
  esbuild: "0.28.2",
  typescript: "7.0.2",
};

// Milliseconds: what hangs shall fail, and not keep all others waiting.
export const longest = 60_000;

const sources = new URL(".", import.meta.url).pathname;

/** A project of a stranger: an empty folder, into which the package was installed. */
export class Installed implements AsyncDisposable {
  #folder: Folder;

  private constructor(folder: Folder) {
    this.#folder = folder;
  }

  /** Where it is. */
  get path(): string {
    return this.#folder.path;
  }

  /** Makes the package, and installs it with what the tests need. */
  static async make(): Promise<Installed> {
    const installed = new Installed(await Folder.make());
    try {
      const tarball = await pack(installed.path);
      await installed.write("package.json", '{"private":true,"type":"module"}');
      const names = Object.entries(tools).map(([name, version]) =>
        `${name}@${version}`
      );
      const flags = ["--no-audit", "--no-fund", "--no-package-lock"];
      await installed.must("npm", ["install", ...flags, tarball, ...names]);
      for await (const { name } of Deno.readDir(sources)) {
        await Deno.copyFile(sources + name, `${installed.path}/${name}`);
      }
      return installed;
    } catch (error) {
      await installed[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** How a program that npm installed is called. */
  tool(name: keyof typeof tools | "tsc" | "memcache-table"): string {
    return `${this.path}/node_modules/.bin/${name}`;
  }

  write(name: string, content: string): Promise<string> {
    return this.#folder.write(name, content);
  }

  /** Runs a program in the folder. */
  async run(program: string, args: string[], stdin = ""): Promise<Finished> {
    const child = new Deno.Command(program, {
      args,
      cwd: this.path,
      env: { NO_COLOR: "1" },
      signal: AbortSignal.timeout(longest),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const [output] = await Promise.all([
      child.output(),
      new Response(stdin).body!.pipeTo(child.stdin).catch(() => {}),
    ]);
    return {
      code: output.code,
      stdout: latin1(output.stdout),
      stderr: new TextDecoder().decode(output.stderr),
    };
  }

  /** Runs a program that must not fail; returns the text that it printed. */
  async must(program: string, args: string[], stdin = ""): Promise<string> {
    const { code, stdout, stderr } = await this.run(program, args, stdin);
    if (code === 0) return utf8Text.decode(byteText.encode(stdout))!;
    throw new Error(`${program} ${args.join(" ")}: ${stdout}${stderr}`);
  }

  /** Bundles a module of these tests, with or without the package. */
  async bundle(
    name: string,
    options: { whole: boolean; minify?: boolean },
  ): Promise<string> {
    const output = `${this.path}/${name}.mjs`;
    await this.must(this.tool("esbuild"), [
      `${this.path}/${name}.ts`,
      "--bundle",
      "--format=esm",
      "--target=es2022",
      `--outfile=${output}`,
      "--external:cloudflare:*",
      "--log-level=error",
      ...(options.whole ? [] : ["--packages=external"]),
      ...(options.minify ? ["--minify"] : []),
    ]);
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
