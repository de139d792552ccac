// The server that stands for Deno Deploy and denokv in these tests.
import { assert, assertEquals } from "../../support/assert.ts";
import {
  atomicWrite,
  atomicWriteOutput,
  mutationType,
  snapshotRead,
  snapshotReadOutput,
  valueEncoding,
  writeStatus,
} from "../../support/kv_connect/messages.ts";
import { accessToken, KvServer } from "../../support/kv_connect/server.ts";
import { limits } from "../../support/kv_connect/store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (some: Uint8Array) => new TextDecoder().decode(some);

function exchange(
  url: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${accessToken}`,
      "content-type": "application/json",
      ...headers,
    },
    body,
  });
}

/** Sends requests of the data path, in the version that was agreed upon. */
async function client(server: KvServer, supportedVersions = [1, 2, 3]) {
  const { url } = server.database();
  const answer = await exchange(url, JSON.stringify({ supportedVersions }));
  const { version, databaseId, endpoints, token } = await answer.json();
  const endpoint = new URL(endpoints[0].url, url).href;
  const right: Record<string, string> = version === 1
    ? { "x-transaction-domain-id": databaseId }
    : {
      "x-denokv-database-id": databaseId,
      "x-denokv-version": `${version}`,
    };
  return async (
    action: string,
    body: Uint8Array,
    headers: Record<string, string | undefined> = {},
  ) => {
    const sent = {
      authorization: `Bearer ${token}`,
      "content-type": "application/x-protobuf",
      ...right,
      ...headers,
    };
    const response = await fetch(`${endpoint}/${action}`, {
      method: "POST",
      headers: Object.entries(sent).filter((pair): pair is [string, string] =>
        pair[1] !== undefined
      ),
      body: body as Uint8Array<ArrayBuffer>,
    });
    const said = await response.bytes();
    return { status: response.status, said };
  };
}

type Send = Awaited<ReturnType<typeof client>>;

const range = (start: string, end: string, limit = 10, reverse = false) => ({
  start: bytes(start),
  end: bytes(end),
  limit,
  reverse,
});

const set = (key: string, data = "v") => ({
  key: bytes(key),
  value: { data: bytes(data), encoding: valueEncoding.bytes },
  mutationType: mutationType.set,
  expireAtMs: 0,
});

function write(send: Send, parts: Parameters<typeof atomicWrite.create>[0]) {
  return send("atomic_write", atomicWrite.toBinary(atomicWrite.create(parts)));
}

Deno.test("the server of KV Connect refuses exchanges that are not by its rules", async () => {
  await using server = new KvServer({ versions: [2, 3] });
  const { url } = server.database();
  const good = '{"supportedVersions":[1,2,3]}';
  const cases: [string, string, Record<string, string>, number][] = [
    [url, good, {}, 200],
    [url, good, { authorization: "Bearer other" }, 401],
    [url, good, { authorization: accessToken }, 401],
    [url, good, { "content-type": "text/plain" }, 400],
    [url, "", {}, 400],
    [url, "{", {}, 400],
    [url, '{"supportedVersions":[1]}', {}, 400],
    [url, '{"supportedVersions":3}', {}, 400],
    [url, '{"supportedVersions":[3],"more":1}', {}, 400],
    [`${url}x`, good, {}, 404],
    [`${url}/x`, good, {}, 404],
  ];
  for (const [at, body, headers, status] of cases) {
    const answer = await exchange(at, body, headers);
    await answer.body?.cancel();
    assertEquals(answer.status, status, `${at} ${body}`);
  }
  const read = await fetch(url);
  await read.body?.cancel();
  assertEquals(read.status, 404);
});

Deno.test("the server of KV Connect reads and writes in versions 1 to 3", async () => {
  for (const version of [1, 2, 3]) {
    await using server = new KvServer();
    const send = await client(server, [version]);
    const keys = ["b", "a", "ab", "c", "d"];
    const written = await write(send, {
      mutations: keys.map((key) => set(key)),
    });
    assertEquals(written.status, 200);
    const { versionstamp } = atomicWriteOutput.fromBinary(written.said);
    assertEquals(versionstamp.length, 10);
    const ranges = [
      range("a", "c"),
      range("a", "e", 2),
      range("a", "e", 2, true),
      range("ac", "ac"),
      range("d", "z"),
    ];
    const read = await send(
      "snapshot_read",
      snapshotRead.toBinary({ ranges }),
    );
    const output = snapshotReadOutput.fromBinary(read.said);
    assertEquals(
      output.ranges.map(({ values }) => values.map(({ key }) => text(key))),
      [["a", "ab", "b"], ["a", "ab"], ["d", "c"], [], ["d"]],
    );
    assert(output.readIsStronglyConsistent && output.status === 1);
    // Either all is written, or nothing.
    const refused = await write(send, {
      checks: [
        { key: bytes("a"), versionstamp },
        { key: bytes("a"), versionstamp: new Uint8Array() },
        { key: bytes("new"), versionstamp },
      ],
      mutations: [set("other")],
    });
    const failure = atomicWriteOutput.fromBinary(refused.said);
    assertEquals(failure.status, writeStatus.checkFailure);
    assertEquals(failure.failedChecks, [1, 2]);
    assertEquals(server.database().store.size, 5);
  }
});

Deno.test("the server of KV Connect refuses what is beyond its limits, or not in its schema", async () => {
  await using server = new KvServer();
  const send = await client(server);
  const read = (ranges: ReturnType<typeof range>[]) =>
    send("snapshot_read", snapshotRead.toBinary({ ranges }));
  const many = <T>(count: number, item: T) =>
    Array.from({ length: count }, () => item);
  const check = { key: bytes("k"), versionstamp: new Uint8Array() };
  const long = "k".repeat(limits.writtenKey);
  const large = "v".repeat(limits.value);
  const cases: [string, () => ReturnType<Send>, number][] = [
    ["ten ranges", () => read(many(10, range("a", "b", 100))), 200],
    ["eleven ranges", () => read(many(11, range("a", "b"))), 400],
    ["too many entries", () => read(many(2, range("a", "b", 501))), 400],
    ["no limit", () => read([range("a", "b", 0)]), 400],
    ["the end of a long key", () => read([range(long, `${long}\0`)]), 200],
    ["a longer key", () => read([range(long, `${long}\0\0`)]), 400],
    ["a written key", () => write(send, { mutations: [set(long)] }), 200],
    ["a longer one", () => write(send, { mutations: [set(`${long}k`)] }), 400],
    ["a value", () => write(send, { mutations: [set("k", large)] }), 200],
    [
      "a larger one",
      () => write(send, { mutations: [set("k", `${large}v`)] }),
      400,
    ],
    ["ten checks", () => write(send, { checks: many(10, check) }), 200],
    ["eleven checks", () => write(send, { checks: many(11, check) }), 400],
    ["mutations", () => write(send, { mutations: many(1000, set("k")) }), 200],
    ["more", () => write(send, { mutations: many(1001, set("k")) }), 400],
    [
      "too much",
      () => write(send, { mutations: many(13, set("k", large)) }),
      400,
    ],
    ["an empty key", () => write(send, { mutations: [set("")] }), 400],
    [
      "no value",
      () => write(send, { mutations: [{ ...set("k"), value: undefined }] }),
      400,
    ],
    [
      "a sum",
      () =>
        write(send, {
          mutations: [{ ...set("k"), mutationType: mutationType.sum }],
        }),
      400,
    ],
    [
      "a queue",
      () => write(send, { enqueues: [{ payload: bytes("v") }] }),
      400,
    ],
    [
      "a short versionstamp",
      () => write(send, { checks: [{ ...check, versionstamp: bytes("v") }] }),
      400,
    ],
    [
      "an unknown field",
      () => send("snapshot_read", Uint8Array.of(0x78, 1)),
      400,
    ],
    [
      "half a message",
      () => send("snapshot_read", Uint8Array.of(0x0a, 9)),
      400,
    ],
    ["an unknown action", () => send("watch", new Uint8Array()), 404],
  ];
  for (const [name, request, status] of cases) {
    assertEquals((await request()).status, status, name);
  }
});

Deno.test("the server of KV Connect wants the headers of the version that was agreed upon", async () => {
  await using server = new KvServer();
  const cases: [number, Record<string, string | undefined>, number][] = [
    [3, {}, 200],
    [3, { "content-type": undefined }, 200],
    [3, { "content-type": "application/json" }, 400],
    [3, { "x-denokv-version": "2" }, 400],
    [3, { "x-denokv-version": undefined }, 400],
    [3, { "x-denokv-database-id": crypto.randomUUID() }, 400],
    [3, { authorization: `Bearer ${accessToken}` }, 401],
    [1, {}, 200],
    [1, { "x-denokv-version": "1" }, 400],
    [1, { "x-transaction-domain-id": undefined }, 400],
  ];
  for (const [version, headers, status] of cases) {
    const send = await client(server, [version]);
    const { status: got } = await send(
      "snapshot_read",
      new Uint8Array(),
      headers,
    );
    assertEquals(got, status, JSON.stringify([version, headers]));
  }
  const send = await client(server);
  server.expireTokens();
  assertEquals((await send("snapshot_read", new Uint8Array())).status, 401);
  server.tokenLifetime = 0;
  const expired = await client(server);
  assertEquals((await expired("snapshot_read", new Uint8Array())).status, 401);
});
