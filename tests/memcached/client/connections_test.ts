import { ConfigError, TemporaryError } from "../../../lib/errors.ts";
import { encodeGet } from "../../../lib/memcached/protocol.ts";
import { byteText } from "../../../lib/bytes/text.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import {
  answered,
  ClientScene,
  closed,
  gets,
  oneTry,
  sets,
  testScenes,
  value,
} from "../../support/client_scene.ts";

testScenes({
  "connects when it is first asked, once": {
    steps: [
      { quiet: 0 },
      { lookups: "a", say: value("a", "1"), got: { "get a": "1" } },
      {
        ask: ["delete b"],
        sent: "delete b\r\n",
        say: "NOT_FOUND\r\n",
        got: { "delete b": "not found" },
      },
      { quiet: 1 },
    ],
  },
  "sends concurrent requests together, in their order": {
    steps: [
      { lookups: "abc", say: value("a") + "END\r\n" + value("c").slice(0, 9) },
      // What is asked while others wait goes out at the end of the turn.
      {
        lookups: "de",
        say: value("c").slice(9) + "END\r\n" + value("e"),
        got: {
          "get a": "a",
          "get b": "not found",
          "get c": "c",
          "get d": "not found",
          "get e": "e",
        },
      },
    ],
  },
  "does not try again when connecting fails": {
    steps: [
      {
        refuse: "Connection refused",
        ask: ["get a", "sets bc"],
        got: Object.fromEntries(
          ["get a", "b", "c"].map((asked) => [
            asked,
            "no answer: cannot connect to memcached at inet:h:1: " +
            "Connection refused",
          ]),
        ),
      },
      { lookups: "b", say: "END\r\n", got: { "get b": "not found" } },
    ],
  },
  "notices what the server closed while it idled": {
    options: oneTry,
    steps: [
      answered("a"),
      { end: true, quiet: 1 },
      answered("b", 1),
    ],
  },
  "sends again at once when an idle connection ends before a reply": {
    options: oneTry,
    steps: [
      { lookups: "a", say: value("a"), pass: 60_000 },
      // The end comes when the request is out already, as after a long computation.
      { ask: ["get b", "deletes xy"], sent: "get b\r\n", end: true },
      {
        sent: "get b\r\ndelete x\r\ndelete y\r\n",
        on: 1,
        say: value("b") + "DELETED\r\nDELETED\r\n",
        got: { "get b": "b", x: "true", y: "true" },
      },
    ],
  },
  "counts it as the only try when a busy connection ends": {
    options: oneTry,
    steps: [
      {
        lookups: "abc",
        say: value("a"),
        end: true,
        got: { "get a": "a", "get b": closed },
      },
      { sent: gets("c"), on: 1, say: value("c"), got: { "get c": "c" } },
    ],
  },
  "sends again at once what a server has not read that closes between replies":
    {
      steps: [
        { lookups: "abc", say: value("a"), end: true },
        { sent: gets("bc"), on: 1, say: value("b"), end: true },
        {
          sent: gets("c"),
          on: 2,
          say: "END\r\n",
          got: { "get a": "a", "get b": "b", "get c": "not found" },
        },
      ],
    },
  "goes on with the lines and commands of exchanges that have no reply": {
    steps: [
      {
        ask: ["sets abc", "deletes xyz"],
        sent: `${sets("abc")}delete x\r\ndelete y\r\ndelete z\r\n`,
        say: "STORED\r\n",
        end: true,
      },
      {
        sent: `${sets("bc")}delete x\r\ndelete y\r\ndelete z\r\n`,
        on: 1,
        say: "STORED\r\nSTORED\r\nDELETED\r\n",
        end: true,
      },
      {
        sent: "delete y\r\ndelete z\r\n",
        on: 2,
        say: "NOT_FOUND\r\nDELETED\r\n",
        got: {
          a: "true",
          b: "true",
          c: "true",
          x: "true",
          y: "false",
          z: "true",
        },
      },
    ],
  },
  "leaves a connection that says what nobody asked": {
    options: oneTry,
    steps: [
      { lookups: "a", say: value("a") + value("b"), got: { "get a": "a" } },
      { lookups: "b", on: 1, say: value("b", "own"), got: { "get b": "own" } },
      { say: "END\r\n", quiet: 2 },
      answered("c", 2),
    ],
  },
});

Deno.test("MemcacheClient is not idle between lookups one after the other, however slow the replies are", async () => {
  const scene = new ClientScene(oneTry);
  const get = (key: string) =>
    scene.client.request(
      "get",
      encodeGet(byteText.encode(key)),
      ({ kind }) => kind,
    );
  await scene.play([answered("a"), { pass: 50 }]);
  const closing = get("b").then(() => get("c"));
  await scene.play([
    { sent: gets("b"), pass: 200 },
    { say: "END\r\n" },
    // It has read the command, and is not asked again.
    { sent: gets("c"), end: true },
  ]);
  await assertRejects(
    () => closing,
    TemporaryError,
    "the server closed the connection",
  );
  await scene.close();
});

Deno.test("MemcacheClient passes a ConfigError of the adapter on as it is", async () => {
  const scene = new ClientScene();
  scene.server.refusals.push(() =>
    Promise.reject(new ConfigError("no permission"))
  );
  await assertRejects(
    () =>
      scene.client.request("get", encodeGet(byteText.encode("a")), () => {}),
    ConfigError,
    "no permission",
  );
  await scene.close();
});

Deno.test("MemcacheClient sends again at once when an idle connection takes no write", async () => {
  const scene = new ClientScene(oneTry);
  await scene.play([
    { lookups: "a", say: value("a"), pass: 60_000 },
  ]);
  scene.server.connections[0].failWrites = true;
  await scene.play([
    { ask: ["get b"], pass: 10 },
    { sent: "get b\r\n", on: 1, say: value("b"), got: { "get b": "b" } },
  ]);
  await scene.close();
});

Deno.test("MemcacheClient lets the process end while it idles", async () => {
  const scene = new ClientScene();
  await scene.play([
    answered("a"),
  ]);
  const [connection] = scene.server.connections;
  assertEquals(connection.busy.at(-1), false);
  scene.ask("get b");
  assertEquals(connection.busy.at(-1), true);
  await scene.close();
});

Deno.test("MemcacheClient keeps the process alive until it is closed", async () => {
  const scene = new ClientScene();
  await scene.play([
    answered("a"),
  ]);
  const [connection] = scene.server.connections;
  assertEquals(connection.busy.at(-1), false);
  await scene.close();
  assertEquals(connection.busy.at(-1), true);
});

Deno.test("MemcacheClient does not send a huge queue at once", async () => {
  const scene = new ClientScene();
  const keys = Array.from(
    { length: 8000 },
    (_, number) => `${number}`.padStart(200, "k"),
  );
  for (const key of keys) scene.ask(`get ${key}`);
  const connection = await scene.server.connection(0);
  let most = 0;
  let largest = 0;
  for (let answered = 0; answered < keys.length;) {
    let taken = "";
    while (connection.hasRequest || taken === "") {
      const write = await connection.take();
      largest = Math.max(largest, write.length);
      taken += write;
      await scene.play([
        { got: {} },
      ]);
    }
    most = Math.max(most, taken.length);
    const count = taken.split("\r\n").length - 1;
    answered += count;
    connection.send("END\r\n".repeat(count));
    await scene.play([
      { got: {} },
    ]);
  }
  assertEquals(new Set(scene.outcomes.values()), new Set(["not found"]));
  assertEquals(scene.outcomes.size, keys.length);
  assert(most <= 262144 + 65536 + 300, `${most} bytes under way`);
  assert(most >= 65536, `${most} bytes under way`);
  assert(largest <= 65536 + 300, `${largest} bytes in one write`);
  await scene.close();
});
