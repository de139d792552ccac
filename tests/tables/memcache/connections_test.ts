import { connectDeno } from "../../../lib/socket/deno.ts";
import type { Connect } from "../../../lib/socket/socket.ts";
import { openTable, type Table } from "../../../mod.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { Memcached } from "../../support/memcached.ts";

const keys = Array.from({ length: 20_000 }, (_, at) => `user${at}@example.com`);

/** Counts the connections that a table makes. */
function counting(): { connect: Connect; count: number } {
  const counted = {
    count: 0,
    connect: (async (endpoint, options) => {
      counted.count++;
      return await connectDeno(endpoint, options);
    }) as Connect,
  };
  return counted;
}

async function fill(memcached: Memcached): Promise<void> {
  await using table = await openTable(nameOf(memcached), { write: true });
  const entries = keys.map((key) => ({ key, value: `value of ${key}` }));
  for await (const { stored } of table.updateMany(entries)) assert(stored);
}

const nameOf = ({ server }: Memcached, more = "") =>
  `memcache:{ memcache=${server}${more} }`;

async function lookUpAll(table: Table): Promise<void> {
  let at = 0;
  for await (const { key, value } of table.lookupMany(keys)) {
    assertEquals([key, value], [keys[at], `value of ${keys[at]}`]);
    at++;
  }
  assertEquals(at, keys.length);
}

Deno.test("many lookups use as many connections as are allowed, few use one", async () => {
  await using memcached = await Memcached.tcp();
  await fill(memcached);
  for (
    const [more, most] of [["", 2], [", connections=1", 1], [
      ", connections=3",
      3,
    ]] as const
  ) {
    const connections = counting();
    await using table = await openTable(nameOf(memcached, more), {
      connect: connections.connect,
    });
    for await (const _ of table.lookupMany(keys.slice(0, 1000)));
    assertEquals(connections.count, 1, more);
    await lookUpAll(table);
    assertEquals(connections.count, most, more);
  }
});

Deno.test("a memcached that has enough connections is used with those there are", async () => {
  await using memcached = await Memcached.tcp(undefined, undefined, [
    "-c",
    "24",
  ]);
  await fill(memcached);
  // All of its connections but one are taken.
  const taken: Deno.Conn[] = [];
  const address = memcached.address as Deno.ConnectOptions;
  const isServed = async (connection: Deno.Conn) => {
    await connection.write(new TextEncoder().encode("version\r\n"));
    const buffer = new Uint8Array(100);
    const length = await connection.read(buffer);
    const said = new TextDecoder().decode(buffer.subarray(0, length ?? 0));
    return said.startsWith("VERSION");
  };
  try {
    for (;;) {
      const connection = await Deno.connect(address);
      if (!await isServed(connection)) {
        connection.close();
        break;
      }
      taken.push(connection);
    }
    taken.pop()!.close();
    // Until memcached has seen that, it has no free connection.
    for (;;) {
      const connection = await Deno.connect(address);
      const served = await isServed(connection).catch(() => false);
      connection.close();
      if (served) break;
    }
    const details: string[] = [];
    const table = await openTable(nameOf(memcached, ", connections=3"), {
      onDetail: (detail) => details.push(detail),
      onWarning: (warning) => {
        throw new Error(warning);
      },
    });
    let isFirst = true;
    for (;;) {
      try {
        await lookUpAll(table);
        break;
      } catch (error) {
        // The connection of the loop above may still be there.
        if (!isFirst) throw error;
        isFirst = false;
      }
    }
    const notes = details.filter((detail) => /no further/.test(detail));
    assertEquals(notes.length, 1, notes.join("\n"));
    assertMatch(notes[0], /Too many open connections|closed|reset/);
    await table.close();
  } finally {
    for (const connection of taken) connection.close();
  }
});

Deno.test("a read after an acknowledged write sees it, whatever is under way", async () => {
  await using memcached = await Memcached.tcp();
  await fill(memcached);
  await using table = await openTable(nameOf(memcached, ", connections=3"), {
    write: true,
  });
  let isOver = false;
  const reading = (async () => {
    for (let round = 0; round < 5; round++) {
      for await (const { value } of table.lookupMany(keys)) {
        assert(value !== undefined);
      }
    }
    isOver = true;
  })();
  let writes = 0;
  while (!isOver) {
    const key = keys[writes % 100];
    assert(await table.update(key, `${writes}`));
    assertEquals(await table.lookup(key), `${writes}`);
    writes++;
  }
  await reading;
  assert(writes > 10, `${writes}`);
});

Deno.test("a memcached that is restarted under many lookups costs no answer, with a backup", async () => {
  let memcached = await Memcached.tcp();
  const port = (memcached.address as Deno.ConnectOptions).port;
  try {
    await fill(memcached);
    const warnings: string[] = [];
    await using table = await openTable(
      nameOf(
        memcached,
        ", { backup = static:{from the backup} }, connections=3",
      ),
      { onWarning: (warning) => warnings.push(warning) },
    );
    let at = 0;
    for await (const { key, value } of table.lookupMany([...keys, ...keys])) {
      assertEquals(key, keys[at % keys.length]);
      assert(
        value === `value of ${key}` || value === "from the backup",
        `${key}: ${value}`,
      );
      if (++at === 5000) await memcached[Symbol.asyncDispose]();
      if (at === 15000) memcached = await Memcached.tcp(port);
    }
    assertEquals(at, 2 * keys.length);
    assert(warnings.length <= 2, warnings.join("\n"));
  } finally {
    await memcached[Symbol.asyncDispose]();
  }
});

Deno.test("a program goes on after close(), also where nothing else is under way", async () => {
  await using memcached = await Memcached.tcp();
  const program = `
    import { openTable } from ${
    JSON.stringify(import.meta.resolve("../../../mod.ts"))
  };
    (async () => {
      const table = await openTable(${JSON.stringify(nameOf(memcached))});
      await table.lookup("nobody");
      await new Promise((resolve) => setTimeout(resolve, 10));
      await table.close();
      console.log("closed");
    })();`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    signal: AbortSignal.timeout(20_000),
  });
  const { code, stdout } = await child.output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "closed\n"]);
});

Deno.test("a process ends soon after many lookups on several connections", async () => {
  await using memcached = await Memcached.tcp();
  await fill(memcached);
  const program = `
    import { openTable } from ${
    JSON.stringify(import.meta.resolve("../../../mod.ts"))
  };
    const table = await openTable(${JSON.stringify(nameOf(memcached))});
    const keys = Array.from({ length: 20000 }, (_, at) => "user" + at + "@example.com");
    let found = 0;
    for await (const { value } of table.lookupMany(keys)) if (value) found++;
    console.log(found);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    signal: AbortSignal.timeout(20_000),
  });
  const { code, stdout } = await child.output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "20000\n"]);
});
