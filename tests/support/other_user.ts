import { root } from "./processes.ts";

// The user without rights, on every system.
const nobody = 65534;

/**
 * Whether a test can run a program as that user: the test must run as root, and
 * the user must be able to read this project.
 */
export async function canBeNobody(): Promise<boolean> {
  if (Deno.uid() !== 0) return false;
  try {
    const { success } = await new Deno.Command("setpriv", {
      args: [...asNobody, "test", "-r", `${root}mod.ts`],
    }).output();
    return success;
  } catch {
    return false;
  }
}

const asNobody = [
  `--reuid=${nobody}`,
  `--regid=${nobody}`,
  "--clear-groups",
  "--",
];

/** Deno, run as the user nobody. */
export class Nobody {
  #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Installs Deno in a new folder. */
  static async in(folder: string): Promise<Nobody> {
    await Deno.mkdir(folder);
    const program = await Deno.realPath(Deno.execPath());
    try {
      await Deno.link(program, `${folder}/deno`);
    } catch {
      await Deno.copyFile(program, `${folder}/deno`);
    }
    await Deno.chmod(`${folder}/deno`, 0o755);
    await Deno.mkdir(`${folder}/cache`);
    await Deno.chown(`${folder}/cache`, nobody, nobody);
    return new Nobody(folder);
  }

  /** Runs a module. Returns what it printed. */
  async run(module: string): Promise<string> {
    const path = `${this.#folder}/module.ts`;
    await Deno.writeTextFile(path, module);
    const { code, stdout, stderr } = await new Deno.Command("setpriv", {
      args: [
        ...asNobody,
        `${this.#folder}/deno`,
        "run",
        "--quiet",
        "--no-config",
        "--unstable-kv",
        "-A",
        path,
      ],
      env: { DENO_DIR: `${this.#folder}/cache`, NO_COLOR: "1" },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (code !== 0) throw new Error(text(stderr));
    return text(stdout);
  }
}
