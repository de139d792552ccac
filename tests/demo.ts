// `deno task demo`: lookup, update and delete on a real table, by the command
// line itself. Works without memcached too, as far as a backup answers.

const cli = new URL("../cli.ts", import.meta.url).pathname;

async function show(args: string[], stdin = ""): Promise<void> {
  const quoted = args.map((arg) => /[^\w:./@-]/.test(arg) ? `'${arg}'` : arg);
  const piped = stdin === ""
    ? ""
    : `printf '${stdin.replaceAll("\n", "\\n")}' | `;
  console.log(`$ ${piped}memcache-table ${quoted.join(" ")}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, ...args],
    stdin: "piped",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
  await writer.close().catch(() => {});
  const { code } = await child.status;
  if (code !== 0) console.log(`(exit status ${code})`);
}

/** Starts a memcached of our own; `undefined` where none is installed. */
async function startMemcached(
  port: number,
): Promise<Deno.ChildProcess | undefined> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("memcached", {
      args: ["-u", "nobody", "-l", "127.0.0.1", "-p", `${port}`, "-U", "0"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  } catch {
    return undefined;
  }
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return child;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  child.kill("SIGKILL");
  await child.status;
  return undefined;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

const folder = await Deno.makeTempDir({ prefix: "memcache-table-demo-" });
const port = freePort();
const table = `memcache:${folder}/aliases.cf`;
await Deno.writeTextFile(
  `${folder}/aliases.cf`,
  `memcache   = inet:127.0.0.1:${port}
key_format = aliases:%s
max_try    = 1
backup     = kv:${folder}/aliases.kv
`,
);

const memcached = await startMemcached(port);
try {
  console.log(`A table, ${table}:\n`);
  console.log(await Deno.readTextFile(`${folder}/aliases.cf`));
  if (memcached === undefined) {
    console.log("No memcached is installed here: the backup does it all.\n");
  }
  await show(
    ["-i", table],
    "Alice@example.com alice@mx.example.net\nbob bob@mx.example.net\n",
  );
  await show(["-q", "ALICE@example.com", table]);
  await show(["-q", "-", table], "bob\nnobody\n");
  await show(["-s", table]);
  if (memcached !== undefined) {
    console.log("\nWhat memcached has of it:\n");
    await show([
      "-q",
      "aliases:bob",
      `memcache:{memcache=inet:127.0.0.1:${port}}`,
    ]);
    memcached.kill("SIGKILL");
    await memcached.status;
    console.log("\nmemcached is gone; the backup goes on, with a warning:\n");
  }
  await show(["-d", "bob", table]);
  await show(["-js", table]);
} finally {
  try {
    memcached?.kill("SIGKILL");
  } catch {
    // It is gone already.
  }
  await Deno.remove(folder, { recursive: true });
}
