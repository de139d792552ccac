// `deno task demo`: lookup, update and delete on a real table, by the command
// line itself. Where no memcached is installed, it shows the backup at work.

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
const cached = `memcache:${folder}/aliases.cf`;
const backup = `kv:${folder}/aliases.kv`;

/** Stores, finds and lists. */
async function useTable(table: string): Promise<void> {
  await show(
    ["-i", table],
    "Alice@example.com alice@mx.example.net\nbob bob@mx.example.net\n",
  );
  await show(["-q", "ALICE@example.com", table]);
  await show(["-q", "-", table], "bob\nnobody\n");
  await show(["-s", table]);
}

const memcached = await startMemcached(port);
try {
  if (memcached === undefined) {
    console.log(
      `A table, ${backup}, which could be the backup of a memcache table: ` +
        "memcached is not installed here.\n",
    );
    await useTable(backup);
    await show(["-d", "bob", backup]);
    await show(["-js", backup]);
    console.log(
      "\nNext: install memcached (on Debian: apt-get install memcached), " +
        "and run this again.",
    );
  } else {
    const configuration = `memcache   = inet:127.0.0.1:${port}
key_format = aliases:%s
max_try    = 1
backup     = ${backup}
`;
    await Deno.writeTextFile(`${folder}/aliases.cf`, configuration);
    console.log(`A table, ${cached}:\n\n${configuration}`);
    await useTable(cached);
    console.log("\nWhat memcached has of it:\n");
    await show([
      "-q",
      "aliases:bob",
      `memcache:{memcache=inet:127.0.0.1:${port}}`,
    ]);
    await show(["-d", "bob", cached]);
    memcached.kill("SIGKILL");
    await memcached.status;
    console.log(
      "\nNow memcached is gone. The backup answers, with one warning:\n",
    );
    await show(["-q", "alice@example.com", cached]);
    await show(["-js", cached]);
    console.log(
      "\nNext: write such a file for your own memcached, then try\n" +
        "  deno run -A cli.ts check memcache:/path/to/aliases.cf",
    );
  }
} finally {
  try {
    memcached?.kill("SIGKILL");
  } catch {
    // It is gone already.
  }
  await Deno.remove(folder, { recursive: true });
}
