// Marks functions of the built program for V8 to compile at once.
//
// V8 compiles a function when it is called first, and Deno's code cache holds only
// what is compiled before the program runs. So a lookup would compile two hundred
// functions at each start, which takes longer than all else that it does. A function
// in parentheses is compiled at once: V8 takes it for one that is called in place.
import MagicString, { type SourceMap } from "npm:magic-string@0.30.21";
import { parseAst } from "npm:rollup@4.68.8/parseAst";
import { Folder } from "../support/folder.ts";
import { run } from "../support/processes.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

/** The part of ESTree that is used here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly body: Node & Node[];
  readonly id: Node & { readonly name: string };
  readonly key?: Node & { readonly name: string };
  readonly value: Node & {
    readonly async: boolean;
    readonly generator: boolean;
  };
  readonly kind: string;
  readonly static: boolean;
  readonly computed: boolean;
  readonly generator: boolean;
  readonly left: Node & { readonly name: string };
  readonly name: string;
  readonly directive?: string;
}

function* children(node: Node): Generator<Node> {
  for (const value of Object.values(node)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one?.type === "string") yield one;
    }
  }
}

function hasSuper(node: Node): boolean {
  return node.type === "Super" || [...children(node)].some(hasSuper);
}

/**
 * Puts the functions and methods of a module that begin at certain places into
 * parentheses. A function comes before all else, where its declaration is in effect;
 * a method comes after its class, whose private names become public ones.
 */
export function compiledAtOnce(
  code: string,
  isUsed: (start: number) => boolean,
): { code: string; map: SourceMap } {
  const text = new MagicString(code);
  let count = 0;

  function makePublic(node: Node, names: ReadonlyMap<string, string>) {
    if (node.type === "ClassBody") {
      const own = new Map(names);
      for (const { key } of node.body) {
        if (key?.type === "PrivateIdentifier") {
          own.set(key.name, `_${(count++).toString(36)}`);
        }
      }
      names = own;
    } else if (node.type === "PrivateIdentifier") {
      text.overwrite(node.start, node.end, names.get(node.name)!);
    } else if (node.left?.type === "PrivateIdentifier") {
      throw new Error(
        `"#${node.left.name} in" needs a name that stays private`,
      );
    }
    for (const child of children(node)) makePublic(child, names);
  }

  function moveMethods({ id, body, end }: Node) {
    for (const method of body.body) {
      const { kind, computed, value, key } = method;
      const isPlain = method.type === "MethodDefinition" && kind === "method" &&
        !method.static && !computed && !value.generator && !hasSuper(method);
      if (!isPlain || !isUsed(method.start)) continue;
      const name = text.slice(key!.start, key!.end);
      const word = value.async ? "async function" : "function";
      const start = `\n${id.name}.prototype.${name} = (${word}`;
      text.overwrite(method.start, value.start, start);
      text.appendLeft(method.end, ");");
      text.move(method.start, method.end, end);
    }
  }

  const program = parseAst(code) as unknown as Node;
  makePublic(program, new Map());
  // Behind "use strict", which counts only at the very start.
  const top = program.body.findLast(({ directive }) => directive)?.end ?? 0;
  for (const statement of program.body) {
    const { type, start, end, id, generator } = statement;
    if (type === "ClassDeclaration") moveMethods(statement);
    if (type !== "FunctionDeclaration" || generator || !isUsed(start)) continue;
    text.prependRight(start, `var ${id.name} = (`);
    text.appendLeft(end, ");\n");
    text.move(start, end, top);
  }
  return { code: text.toString(), map: text.generateMap({ hires: true }) };
}

/** The places in a file where the functions begin that are called, by the file's name. */
export type Called = ReadonlyMap<string, ReadonlySet<number>>;

/** Runs a single lookup by a program, and one of its standard input. */
export async function calledAtLookup(program: string): Promise<Called> {
  await using folder = await Folder.make();
  await using server = new ScriptedServer(() => [
    "VALUE key 0 5\r\nvalue\r\nEND\r\n",
  ]);
  const table = await folder.write("t.cf", `memcache = ${server.server}\n`);
  const beside = new URL(".", `file://${await Deno.realPath(program)}`).href;
  const called = new Map<string, Set<number>>();
  for (const key of ["key", "-"]) {
    const seen = `${folder.path}/seen ${key}`;
    const { code, stderr } = await run(Deno.execPath(), [
      ...["run", "-A", "--no-config", "--quiet", `--coverage=${seen}`],
      ...[program, "-q", key, `memcache:${table}`],
    ], { stdin: "key\n" });
    if (code !== 0) throw new Error(stderr);
    await addCalled(called, seen, beside);
  }
  if (called.size === 0) throw new Error(`Deno saw no function of ${program}`);
  return called;
}

/** Adds what Deno saw, written in `folder`, of the files whose address begins so. */
async function addCalled(
  called: Map<string, Set<number>>,
  folder: string,
  beside: string,
): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    const { url, functions }: Coverage = JSON.parse(text);
    if (!url.startsWith(beside)) continue;
    const file = url.slice(beside.length);
    const places = called.get(file) ?? new Set();
    for (const { ranges: [{ count, startOffset }] } of functions) {
      if (count > 0) places.add(startOffset);
    }
    called.set(file, places);
  }
}

/** The part of V8's coverage that is used here. */
interface Coverage {
  readonly url: string;
  readonly functions: {
    readonly ranges: { readonly count: number; readonly startOffset: number }[];
  }[];
}
