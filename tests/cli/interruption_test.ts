import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { root, runCli } from "../support/processes.ts";

/** The command line, while it runs. */
class Running {
  readonly child: Deno.ChildProcess;
  #input: WritableStreamDefaultWriter<Uint8Array>;
  #said = "";
  #ended: Promise<void>;
  #onSaid = Promise.withResolvers<void>();

  constructor(args: readonly string[], permissions: readonly string[]) {
    this.child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...permissions, `${root}cli.ts`, ...args],
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#input = this.child.stdin.getWriter();
    this.#ended = this.#read();
  }

  async #read(): Promise<void> {
    for await (
      const text of this.child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      this.#said += text;
      this.#onSaid.resolve();
      this.#onSaid = Promise.withResolvers();
    }
  }

  async type(lines: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(lines));
  }

  /** Waits until it has said this. */
  async says(text: string): Promise<void> {
    while (!this.#said.includes(text)) await this.#onSaid.promise;
  }

  /** Sends a signal, and waits for the end. */
  async end(
    signal: Deno.Signal,
  ): Promise<{ signal: Deno.Signal | null; code: number; stderr: string }> {
    this.child.kill(signal);
    const { signal: by, code } = await this.child.status;
    await this.#input.abort().catch(() => undefined);
    await this.#ended;
    return { signal: by, code, stderr: this.#said };
  }
}

const everything = ["-A"];
const fewer = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys"];

/** The first parts of the keys of a database, and how many there are of each. */
async function partsOf(path: string): Promise<Record<string, number>> {
  using kv = await Deno.openKv(path);
  const counts: Record<string, number> = {};
  for await (const { key: [part] } of kv.list({ prefix: [] })) {
    counts[String(part)] = (counts[String(part)] ?? 0) + 1;
  }
  return counts;
}

Deno.test("-i that a signal ends says how far it came, and leaves nothing but entries in a kv: table", async () => {
  const lines = Array.from({ length: 1001 }, (_, at) => `k${at} v\n`).join("");
  for (
    const [permissions, signal, code] of [
      [everything, "SIGINT", 130],
      [everything, "SIGTERM", 143],
      [fewer, "SIGINT", 130],
    ] as const
  ) {
    await using folder = await Folder.make();
    const path = `${folder.path}/t.kv`;
    const running = new Running(["-i", `kv:${path}`], permissions);
    // The last one may go on in a line that was not typed yet.
    await running.type(lines);
    let parts: Record<string, number> = {};
    while (parts.table !== 1000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      parts = await Deno.stat(path).then(() => partsOf(path), () => ({}));
    }
    assertEquals(parts.fill, 1);
    const ended = await running.end(signal);
    assertEquals(ended, {
      // Without permission to run programs it cannot send itself a signal.
      signal: permissions === everything ? signal : null,
      code,
      stderr: "memcache-table: 1,000 entries stored, 0 not\n",
    });
    assertEquals(await partsOf(path), { table: 1000 });
  }
});

Deno.test("a signal ends what waits for a server that is silent, soon and without a word", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = `kv:${folder.path}/t.kv`;
  await runCli(["-i", backup], { stdin: "a 1000000000;1;1;1;1\n" });
  const table = `memcache:{memcache=${memcached.server}, timeout=60, ` +
    `key_format=k:%s, backup=${backup}}`;
  await memcached.signal("SIGSTOP");
  for (
    const [args, lines] of [
      [["-i"], "b 1\nc 1\n"],
      [["warm"], ""],
      [["cleanup", "--postscreen"], ""],
    ] as const
  ) {
    const running = new Running([...args, "-v", table], everything);
    await running.type(lines);
    await running.says(": connected to ");
    const start = performance.now();
    const { signal, stderr } = await running.end("SIGTERM");
    assertEquals(signal, "SIGTERM", stderr);
    // One of them waits two seconds for a write that is under way.
    assert(performance.now() - start < 20_000, `${args}`);
    const words = stderr.split("\n").filter((line) => !/: info: /.test(line));
    assertMatch(
      words.join("\n"),
      /^(?:memcache-table: \d+ entries removed\n)?$/,
    );
  }
  await memcached.signal("SIGCONT");
});

Deno.test("sync that a signal ends while it reads its source has changed nothing", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  await runCli(["-i", `kv:${path}`], { stdin: "a 1\n" });
  const running = new Running(["sync", `kv:${path}`], everything);
  // A line that cannot be used is told when it is read.
  await running.type("b 2\nc 3\nd\ne 4\n");
  await running.says("line 3");
  const { signal, stderr } = await running.end("SIGINT");
  assertEquals(signal, "SIGINT");
  assertMatch(stderr, /^memcache-table: warning: .*line 3: .*\n$/);
  assertEquals((await runCli(["-s", `kv:${path}`])).stdout, "a\t1\n");
});
