// `deno task pack [FOLDER]`: makes the npm package, a tarball in FOLDER.
//
// It is among the tests because they install the package, and because it is not
// part of what is published. `deno pack` makes only the types: its package has no
// `bin`, and a dependency under a name that npm does not know.
import configuration from "../../deno.json" with { type: "json" };
import { manPage } from "./man_page.ts";
import { buildProgram, currentCommit } from "./program_build.ts";

const root = new URL("../..", import.meta.url).pathname;

/** The oldest version of Node that works: the first with Symbol.asyncDispose. */
export const leastNode = "20.4.0";

// cli.ts needs import.meta.main, which Node 20 does not have.
const { "./cli": _, ...exports } = configuration.exports;

/** The repository. npm compares it with the one in which the workflow runs. */
function repository(): Record<string, unknown> {
  const server = Deno.env.get("GITHUB_SERVER_URL");
  const name = Deno.env.get("GITHUB_REPOSITORY");
  if (server === undefined || name === undefined) return {};
  const url = `${server}/${name}`;
  return {
    repository: { type: "git", url: `git+${url}.git` },
    bugs: { url: `${url}/issues` },
    homepage: `${url}#readme`,
  };
}

function manifest(): unknown {
  const { name, version, license } = configuration;
  const places = Object.entries(exports).map(([name, path]) => {
    const place = path.replace(/\.ts$/, "");
    return [name, { types: `${place}.d.ts`, default: `${place}.js` }];
  });
  return {
    name,
    version,
    description:
      "Postfix's memcache lookup table, memcache_table(5), for Deno, Node, Bun and the edge",
    keywords: [
      "postfix",
      "memcache",
      "memcached",
      "memcache_table",
      "postmap",
      "socketmap",
      "lookup-table",
      "deno",
      "cloudflare-workers",
    ],
    license,
    ...repository(),
    type: "module",
    sideEffects: false,
    engines: { node: `>=${leastNode}` },
    bin: { "memcache-table": "bin/memcache-table.cjs" },
    man: ["man/memcache-table.1"],
    exports: Object.fromEntries(places),
    // Only users of kv: tables on the command line need to install it.
    peerDependencies: { "@deno/kv": ">=0.14.0" },
    peerDependenciesMeta: { "@deno/kv": { optional: true } },
    publishConfig: { access: "public" },
  };
}

async function run(
  program: string,
  args: string[],
  cwd = root,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    stdin: "null",
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  const reason = new TextDecoder().decode(stderr);
  throw new Error(`${program} ${args.join(" ")} fails: ${reason}`);
}

// The types need this library, which older compile targets do not include.
const disposable = '/// <reference lib="esnext.disposable" />\n';

/** Writes the types of all exports, made by `deno pack`. */
async function writeTypes(folder: string): Promise<void> {
  const packed = await Deno.makeTempDir();
  try {
    const tarball = `${packed}/types.tgz`;
    await run(Deno.execPath(), [
      "pack",
      "--quiet",
      "--allow-dirty",
      `--output=${tarball}`,
    ]);
    await run("tar", ["-xzf", tarball, "-C", packed]);
    for await (const path of typesIn(`${packed}/package`)) {
      const types = await Deno.readTextFile(`${packed}/package/${path}`);
      const place = `${folder}${path}`;
      await Deno.mkdir(place.slice(0, place.lastIndexOf("/")), {
        recursive: true,
      });
      await Deno.writeTextFile(place, disposable + types);
    }
  } finally {
    await Deno.remove(packed, { recursive: true });
  }
}

/** The types of what can be imported: the command line cannot. */
async function* typesIn(folder: string): AsyncGenerator<string> {
  for await (const path of filesIn(folder)) {
    if (path.endsWith(".d.ts") && !/^.(lib.)?cli/.test(path)) yield path;
  }
}

async function* filesIn(root: string, folder = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(root + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesIn(root, path);
    else yield path;
  }
}

/** Names sources in source maps as they are called in the repository. */
async function renameSources(folder: string): Promise<void> {
  const base = new URL(`file://${folder}/`);
  for await (const path of filesIn(folder)) {
    if (!path.endsWith(".js.map")) continue;
    const file = `${folder}${path}`;
    const map = JSON.parse(await Deno.readTextFile(file));
    const up = "../".repeat(path.split("/").length - 2);
    map.sources = map.sources.map((source: string) =>
      up +
      new URL(source, new URL(`.${path}`, base)).pathname.slice(root.length)
    );
    await Deno.writeTextFile(file, JSON.stringify(map));
  }
}

/** README without pictures and links to files that the package does not contain. */
async function readme(): Promise<string> {
  return (await Deno.readTextFile(`${root}README.md`))
    .replace(/^!\[[^\]]*\]\((?:tests|\.github)\/[^)]*\)\n\n/gm, "")
    .replace(/\[([^\]]*)\]\((?:lib|tests|\.github)\/[^)]*\)/g, "$1");
}

/** Writes the files of the package into a folder. */
async function build(folder: string): Promise<void> {
  await run(Deno.execPath(), [
    "bundle",
    "--quiet",
    "--platform=deno",
    "--code-splitting",
    "--sourcemap=linked",
    "--external=cloudflare:sockets",
    `--outdir=${folder}`,
    ...Object.values(exports),
  ]);
  await renameSources(folder);
  await buildProgram(`${folder}/bin`, await currentCommit(), "cjs");
  await Deno.mkdir(`${folder}/man`);
  await Deno.writeTextFile(`${folder}/man/memcache-table.1`, await manPage());
  await writeTypes(folder);
  await Deno.copyFile(
    `${root}tests/package/bin.cjs`,
    `${folder}/bin/memcache-table.cjs`,
  );
  await Deno.chmod(`${folder}/bin/memcache-table.cjs`, 0o755);
  await Deno.copyFile(`${root}LICENSE`, `${folder}/LICENSE`);
  await Deno.writeTextFile(`${folder}/README.md`, await readme());
  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify(manifest(), null, 2) + "\n",
  );
}

/** Makes the package in an existing folder. Returns the path of its tarball. */
export async function pack(destination: string): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    await build(folder);
    const printed = await run("npm", [
      "pack",
      "--silent",
      `--pack-destination=${await Deno.realPath(destination)}`,
    ], folder);
    return `${destination}/${printed.trim()}`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) console.log(await pack(Deno.args[0] ?? "."));
