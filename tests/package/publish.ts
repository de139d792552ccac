// `deno task publish [--dry-run]`: publishes to JSR.
//
// What is published is the source, but its command line is the built program,
// which starts in less time. So this happens in a folder of its own.
import configuration from "../../deno.json" with { type: "json" };
import { buildProgram, currentCommit } from "./program_build.ts";

const root = new URL("../..", import.meta.url).pathname;
const plainFiles = ["LICENSE", "README.md", "mod.ts"];

/** Copies a folder with all that is in it. */
async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const copy = isDirectory ? copyFolder : Deno.copyFile;
    await copy(`${from}/${name}`, `${to}/${name}`);
  }
}

/** The module of the command line, which loads the built program. */
async function commandLine(): Promise<string> {
  const source = await Deno.readTextFile(`${root}cli.ts`);
  const comment = source.slice(0, source.indexOf("*/\n") + "*/\n".length);
  return `${comment}if (import.meta.main) await import("./dist/cli.js");\n`;
}

/** Writes what is published into an empty folder. */
export async function stage(folder: string): Promise<void> {
  const { tasks: _tasks, publish: _publish, ...published } = configuration;
  for (const name of plainFiles) {
    await Deno.copyFile(root + name, `${folder}/${name}`);
  }
  await copyFolder(`${root}lib`, `${folder}/lib`);
  await buildProgram(`${folder}/dist`, await currentCommit());
  await Deno.writeTextFile(`${folder}/cli.ts`, await commandLine());
  await Deno.writeTextFile(
    `${folder}/deno.json`,
    JSON.stringify({ ...published, imports: {} }, null, 2),
  );
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  try {
    await stage(folder);
    // The folder is not a clone, so nothing in it can be committed.
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["publish", "--allow-dirty", ...Deno.args],
      cwd: folder,
    }).spawn().status;
    Deno.exitCode = code;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
