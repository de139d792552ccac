import { utf8Text } from "../../lib/bytes/text.ts";
import { connectDeno } from "../../lib/socket/deno.ts";
import type { Endpoint } from "../../lib/socket/socket.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";

async function ask(endpoint: Endpoint): Promise<string> {
  const socket = await connectDeno(endpoint, {});
  try {
    await socket.write(utf8Text.encode("get nothing\r\n"));
    return utf8Text.decode((await socket.read())!)!;
  } finally {
    socket.close();
    socket.close();
  }
}

Deno.test("connectDeno() speaks to a real memcached over TCP, IPv6 and a UNIX-domain socket", async () => {
  await using folder = await Folder.make();
  for (const start of await Memcached.everyWay(folder.path)) {
    await using memcached = await start();
    const endpoint = "port" in memcached.address
      ? {
        transport: "tcp" as const,
        hostname: memcached.address.hostname!,
        port: memcached.address.port,
      }
      : { transport: "unix" as const, path: `${folder.path}/mc.sock` };
    assertEquals(await ask(endpoint), "END\r\n");
  }
});

Deno.test("connectDeno() ends a read that is pending when it is closed, and sends without delay", async () => {
  await using memcached = await Memcached.tcp();
  const { port } = memcached.address as Deno.ConnectOptions;
  const socket = await connectDeno({
    transport: "tcp",
    hostname: "127.0.0.1",
    port,
  }, {});
  const started = performance.now();
  for (let round = 0; round < 50; round++) {
    // Two writes for one command: without TCP_NODELAY the second waits 40 ms.
    await socket.write(utf8Text.encode("get a"));
    await socket.write(utf8Text.encode("\r\n"));
    await socket.read();
  }
  assert(performance.now() - started < 1000);
  const pending = socket.read().then(() => "read", () => "ended");
  socket.close();
  assertEquals(await pending, "ended");
});

Deno.test("connectDeno() rejects what nobody answers, and an aborted attempt", async () => {
  const port = freePort();
  const endpoint = { transport: "tcp" as const, hostname: "127.0.0.1", port };
  await assertRejects(
    () => connectDeno(endpoint, {}),
    Deno.errors.ConnectionRefused,
  );
  await assertRejects(
    () => connectDeno({ transport: "unix", path: "/nonexistent/mc" }, {}),
    Deno.errors.NotFound,
  );
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o777);
  await using _memcached = await Memcached.unix(`${folder.path}/mc.sock`);
  await assertRejects(
    () =>
      connectDeno({ transport: "unix", path: `${folder.path}/mc.sock` }, {
        signal: AbortSignal.abort(new Error("enough")),
      }),
    Error,
    "enough",
  );
});
