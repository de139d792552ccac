import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import { pack } from "../package/build.ts";
import { Folder } from "../support/folder.ts";
import { latin1 } from "../support/latin1.ts";
import type { ProgramResult } from "../support/processes.ts";

// In exactly these versions, so that no lock file is needed.
const tools = {
  "@arethetypeswrong/cli": "0.18.5",
  "@deno/kv": "0.14.0",
  bun: "1.4.5",
  esbuild: "0.28.2",
  publint: "0.3.25",
  typescript: "7.0.2",
};

// Milliseconds: what hangs shall fail, and not keep all others waiting.
export const longest = 60_000;

// Node as npm has it, in any version; each with nothing but a program.
const machine = Deno.build.arch === "aarch64" ? "arm64" : "x64";
const nodePackage = `node-${Deno.build.os}-${machine}`;
const flags = ["--no-audit", "--no-fund", "--no-package-lock"];

const sources = new URL(".", import.meta.url).pathname;

/** A project of a stranger: an empty folder, into which the package was installed. */
export class Installed implements AsyncDisposable {
  #folder: Folder;
  #tarball = "";

  private constructor(folder: Folder) {
    this.#folder = folder;
  }

  /** Where it is. */
  get path(): string {
    return this.#folder.path;
  }

  /**
   * Makes the package, and installs it with what the tests need, and with other
   * versions of Node.
   */
  static async make(nodes: readonly string[] = []): Promise<Installed> {
    const installed = new Installed(await Folder.make());
    try {
      const tarball = installed.#tarball = await pack(installed.path);
      await installed.write("package.json", '{"private":true,"type":"module"}');
      const names = Object.entries(tools).map(([name, version]) =>
        `${name}@${version}`
      );
      await Promise.all([
        installed.must("npm", ["install", ...flags, tarball, ...names]),
        installed.#installNodes(nodes),
      ]);
      for await (const { name } of Deno.readDir(sources)) {
        await Deno.copyFile(sources + name, `${installed.path}/${name}`);
      }
      return installed;
    } catch (error) {
      await installed[Symbol.asyncDispose]();
      throw error;
    }
  }

  // In a folder of their own: or npx would run what it runs with one of them.
  async #installNodes(versions: readonly string[]): Promise<void> {
    if (versions.length === 0) return;
    const folder = `${this.path}/nodes`;
    await Deno.mkdir(folder);
    await this.write("nodes/package.json", '{"private":true}');
    const names = versions.map((version) =>
      `node-${version}@npm:${nodePackage}@${version}`
    );
    await this.must("npm", [
      "install",
      ...flags,
      `--prefix=${folder}`,
      ...names,
    ]);
  }

  /** Installs the package alone into another folder; returns its program. */
  async bare(folder: Folder): Promise<string> {
    await folder.write("package.json", '{"private":true}');
    const where = `--prefix=${folder.path}`;
    await this.must("npm", ["install", ...flags, where, this.#tarball]);
    return `${folder.path}/node_modules/.bin/memcache-table`;
  }

  /** A version of Node that was asked for. */
  node(version: string): string {
    return `${this.path}/nodes/node_modules/node-${version}/bin/node`;
  }

  /** The package, as it would be published. */
  get tarball(): string {
    return this.#tarball;
  }

  /** How a program that npm installed is called. */
  tool(name: keyof typeof tools | "attw" | "tsc" | "memcache-table"): string {
    return `${this.path}/node_modules/.bin/${name}`;
  }

  write(name: string, content: string): Promise<string> {
    return this.#folder.write(name, content);
  }

  /** Runs a program in the folder. */
  async run(
    program: string,
    args: string[],
    stdin = "",
  ): Promise<ProgramResult> {
    const child = new Deno.Command(program, {
      args,
      cwd: this.path,
      // What a native library then adds to its messages is for nobody to see.
      env: { NO_COLOR: "1", RUST_BACKTRACE: "1" },
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
