import { ClosedError } from "../../../lib/errors.ts";
import type { Socket } from "../../../lib/socket/socket.ts";
import { assertEquals } from "../../support/assert.ts";
import {
  busy,
  ClientScene,
  gets,
  type Step,
  testScenes,
  value,
} from "../../support/client_scene.ts";
import { FakeConnection } from "../../support/fake_server.ts";

testScenes({
  "ends one request by its signal, and keeps the order": {
    steps: [
      { ask: ["get a", "gets xy", "get b"], with: "signal" },
      {
        ask: ["get c"],
        sent: `get a\r\nget x y\r\n${gets("bc")}`,
        abort: "enough",
        got: {
          "get a": "error: enough",
          "gets xy": "error: enough",
          "get b": "error: enough",
        },
      },
      {
        say: value("a") + "END\r\n" + value("b") + value("c"),
        got: { "get c": "c" },
      },
      { ask: ["get d"], with: "signal", got: { "get d": "error: enough" } },
      { quiet: 1 },
    ],
  },
});

Deno.test("MemcacheClient.close() ends all that is under way", async () => {
  const scenes: Record<string, Step[]> = {
    "a reply": [{ sent: "get a\r\nset b 0 0 1\r\nv\r\nset c 0 0 1\r\nv\r\n" }],
    "a pause": [
      { sent: "get a\r\nset b 0 0 1\r\nv\r\nset c 0 0 1\r\nv\r\n" },
      { say: busy },
    ],
    "a connect": [],
  };
  for (const [what, steps] of Object.entries(scenes)) {
    const scene = new ClientScene();
    if (what === "a connect") {
      scene.server.refusals.push(() => new Promise(() => {}));
    }
    await scene.play([
      { ask: ["get a", "sets bc"] },
      ...steps,
    ]);
    await scene.close();
    scene.ask("get d");
    const isClosed = "error: the table is closed";
    await scene.play([
      { got: { "get a": isClosed, "sets bc": isClosed, "get d": isClosed } },
    ]);
    await scene.close();
  }
});

Deno.test("MemcacheClient.close() closes a socket that opens at that very moment", async () => {
  // The client takes several turns to notice a socket: close in each of them.
  for (let turns = 0; turns < 12; turns++) {
    const scene = new ClientScene();
    const connection = new FakeConnection();
    let open = (_socket: Socket) => {};
    scene.server.refusals.push(() => new Promise((resolve) => open = resolve));
    scene.ask("get a");
    open(connection.socket);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await scene.client.close(new ClosedError("memcache:t"));
    await connection.whenClosed;
    await scene.play([
      { got: { "get a": "error: the table is closed" } },
    ]);
  }
});

Deno.test("MemcacheClient does not send what was given up before it could be sent", async () => {
  const scene = new ClientScene();
  const connection = new FakeConnection();
  let open = (_socket: Socket) => {};
  scene.server.refusals.push(() => new Promise((resolve) => open = resolve));
  await scene.play([
    {
      ask: ["get a"],
      with: "signal",
      abort: "enough",
      got: { "get a": "error: enough" },
    },
    { ask: ["get b"] },
  ]);
  open(connection.socket);
  assertEquals(await connection.take(), "get b\r\n");
  connection.send(value("b"));
  await scene.play([
    { got: { "get b": "b" } },
  ]);
  await scene.close();
});

Deno.test("MemcacheClient listens to a signal once, however many requests it is for", async () => {
  const scene = new ClientScene();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (
    ...args: Parameters<typeof removeEventListener>
  ) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 30; number++) {
      scene.ask(`get ${number}`, signal);
    }
    scene.ask("gets xyz", signal);
    assertEquals(listeners, 1);
    const connection = await scene.server.connection(0);
    await connection.take();
    connection.send("END\r\n".repeat(31));
    await scene.play([
      { got: { "get 29": "not found" } },
    ]);
    assertEquals(listeners, 0);
  }
  await scene.close();
});
