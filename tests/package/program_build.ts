// `deno task build [FOLDER]`: makes the program that people install, in dist/ or
// another folder.
//
// It is three files. cli.js has all that a single lookup in a memcache table needs;
// bulk.js has what a lookup of standard input needs besides; rest.js has everything
// else. The latter two are loaded when something of them is called for.
// From the source a lookup loads some forty modules, and Deno reads another
// hundred that an import() names: that takes longer than the lookup.
//
// rollup is used because it can put modules into files as it is told, and changes
// each import() so that it takes its part of the file. esbuild removes the types
// and white space. `deno bundle` makes a file of each import(). What a lookup calls
// is compiled at once; see eager.ts.
//
// The npm package has it as CommonJS, cli.cjs and so on: Node and Bun start that
// sooner than a module.
import { type OutputOptions, rollup } from "npm:rollup@4.68.8";
import { stop, transform } from "npm:esbuild@0.28.2";
import { type Called, calledAtLookup, compiledAtOnce } from "./eager.ts";

const root = new URL("../..", import.meta.url).pathname;
const entry = `${root}tests/package/program.ts`;
const commitModule = `${root}lib/cli/commit.ts`;

/** What a lookup of standard input in a memcache table loads by import(). */
const bulkModules = [
  "cli/actions/lookup_lines.ts",
  "cli/node_input.ts",
  "memcached/merged_gets.ts",
  "memcached/more_connections.ts",
  "tables/bulk.ts",
  "tables/memcache/cache.ts",
  "tables/memcache/keys_in_use.ts",
  "tables/memcache/lookups.ts",
  "tables/memcache/write_turns.ts",
].map((path) => `${root}lib/${path}`);

const terminalModule = `${root}lib/cli/terminal.ts`;

/**
 * The source of a module. In one file, what Node and Bun need is loaded anyway; and
 * CommonJS has no top-level await.
 */
async function sourceOf(
  module: string,
  commit: string | undefined,
): Promise<string> {
  if (module === commitModule) {
    return `export const commit = ${JSON.stringify(commit)};`;
  }
  const source = await Deno.readTextFile(module);
  if (module !== terminalModule) return source;
  const loading = '(await import("./node_terminal.ts"))';
  if (!source.includes(loading)) throw new Error(`${module} has no ${loading}`);
  return source.replace(loading, "node") +
    'import * as node from "./node_terminal.ts";\n';
}

/** Modules, which Deno and JSR need, or CommonJS. */
export type Format = "esm" | "cjs";

/** The commit of this clone, and whether files were changed; `undefined` outside of one. */
export async function currentCommit(): Promise<string | undefined> {
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["-C", root, ...args],
      stderr: "null",
    }).output();
    if (!success) throw new Error("not in a clone");
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    const commit = await git("rev-parse", "--short=10", "HEAD");
    const changes = await git("status", "--porcelain", "--", "lib");
    return changes === "" ? commit : `${commit}, changed`;
  } catch {
    return undefined;
  }
}

/**
 * Writes the program into a folder, which is made where it is missing. `commit` is
 * what `--version` shows.
 */
export async function buildProgram(
  folder: string,
  commit: string | undefined,
  format: Format = "esm",
): Promise<void> {
  const options = {
    loader: "ts",
    target: "es2022",
    format: "esm",
    sourcemap: true,
  } as const;
  const ending = format === "esm" ? ".js" : ".cjs";
  /** The modules that cli.js has to contain. */
  let first: Set<string> | undefined;
  let bulk: Set<string> | undefined;
  try {
    const bundle = await rollup({
      input: { cli: entry },
      external: [/^node:/, /^cloudflare:/],
      preserveEntrySignatures: "allow-extension",
      plugins: [{
        name: "types",
        async load(id) {
          const source = await sourceOf(id, commit);
          return await transform(source, { ...options, sourcefile: id });
        },
      }, {
        name: "import.meta.url",
        resolveImportMeta(property) {
          if (format !== "cjs" || property !== "url") return null;
          return 'require("node:url").pathToFileURL(__filename).href';
        },
      }],
    });
    const output: OutputOptions = {
      format,
      entryFileNames: `[name]${ending}`,
      chunkFileNames: `[name]${ending}`,
      onlyExplicitManualChunks: true,
      manualChunks(id, { getModuleInfo }) {
        const imports = (module: string) => {
          const info = getModuleInfo(module);
          if (info === null) throw new Error(`nothing loads ${module}`);
          return info.importedIds;
        };
        first ??= importedBy([entry], imports);
        bulk ??= importedBy(bulkModules, imports);
        return first.has(id) ? "cli" : bulk.has(id) ? "bulk" : "rest";
      },
    };
    const plain = await Deno.makeTempDir();
    let called: Called;
    try {
      await bundle.write({ ...output, dir: plain });
      called = await calledAtLookup(`${plain}/cli${ending}`);
    } finally {
      await Deno.remove(plain, { recursive: true });
    }
    await bundle.write({
      ...output,
      dir: folder,
      sourcemap: true,
      // The names are enough for a stack trace; the text is in the repository.
      sourcemapExcludeSources: true,
      // Wherever the program is built: as in a folder of the repository.
      sourcemapPathTransform: (source, map) =>
        `../${new URL(source, `file://${map}`).pathname.slice(root.length)}`,
      plugins: [{
        name: "compiled at once",
        renderChunk(code, { fileName }) {
          const places = called.get(fileName);
          if (places === undefined) return null;
          return compiledAtOnce(code, (start) => places.has(start));
        },
      }, {
        name: "size",
        async renderChunk(code) {
          return await transform(code, { ...options, format, minify: true });
        },
      }],
    });
    await bundle.close();
  } finally {
    await stop();
  }
}

/** Modules and all that they import, but not what they load later by import(). */
function importedBy(
  entries: readonly string[],
  imports: (module: string) => readonly string[],
): Set<string> {
  const found = new Set<string>();
  const visit = (module: string) => {
    if (found.has(module)) return;
    found.add(module);
    for (const imported of imports(module)) visit(imported);
  };
  entries.forEach(visit);
  return found;
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? `${root}dist`;
  await buildProgram(folder, await currentCommit());
  console.log(`${folder}/cli.js`);
}
