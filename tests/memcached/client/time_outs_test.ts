import { TemporaryError } from "../../../lib/errors.ts";
import type { Socket } from "../../../lib/socket/socket.ts";
import { encodeGet } from "../../../lib/memcached/protocol.ts";
import { byteText } from "../../../lib/bytes/text.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import {
  answered,
  busy,
  ClientScene,
  gets,
  oneTry,
  silent,
  type Step,
  testScenes,
  timeout,
  value,
} from "../../support/client_scene.ts";
import { FakeConnection } from "../../support/fake_server.ts";

testScenes({
  "has a request end in time that waits behind a connection that drains": {
    options: oneTry,
    steps: [
      {
        lookups: "ab",
        say: busy,
        got: { "get a": 'error: it answers "SERVER_ERROR busy"' },
      },
      { ask: ["get c"], pass: 2000 },
      {
        pass: 0,
        got: {
          "get b": silent,
          "get c": "no answer: no complete answer in the time for all tries",
        },
      },
    ],
  },
  "ends a hang, and a late reply answers nobody": {
    options: oneTry,
    steps: [
      { lookups: "a", pass: 1999, got: { "get a": "…" } },
      { pass: 1, got: { "get a": silent } },
      { say: value("a", "late") },
      { lookups: "a", on: 1, say: value("a", "own"), got: { "get a": "own" } },
    ],
  },
  "counts the time-out from the last bytes that came": {
    steps: [
      { lookups: "a", pass: 1500 },
      { say: "VALUE a 0", pass: 1500 },
      { say: " 1\r\n1\r\n", pass: 1500 },
      { say: "END\r\n", got: { "get a": "1" } },
    ],
  },
  "ends what drips, in the time that all tries have": {
    steps: [
      { lookups: "ab" },
      ...[..."VALU"].flatMap((letter): Step[] => [
        { pass: 1200 },
        { say: letter },
      ]),
      { pass: 199, got: { "get a": "…" } },
      {
        pass: 1,
        got: {
          "get a": "no answer: no complete answer in the time for all tries",
          "get b": "no answer: no complete answer in the time for all tries",
        },
      },
      answered("c", 1),
    ],
  },
  "ends in time what is sent again behind another one, which is sent again then":
    {
      steps: [
        { lookups: "a", pass: 1900 },
        { say: "VALUE", pass: 1900 },
        // No reply: a failed try. Its pause ends 0.2 s before its time is up.
        { say: "\r\n", pass: 600 },
        { lookups: "b", on: 1, pass: 400 },
        { sent: "get a\r\n", on: 1, pass: 199, got: { "get a": "…" } },
        {
          pass: 1,
          got: {
            "get a": "no answer: no complete answer in the time for all tries",
            "get b": "…",
          },
        },
        { sent: gets("b"), on: 2, say: value("b"), got: { "get b": "b" } },
      ],
    },
  "counts silence for all that wait": {
    steps: [
      { lookups: "abc", say: value("a"), timeout: true },
      { pause: true },
      {
        sent: gets("bc"),
        on: 1,
        timeout: true,
        got: { "get a": "a", "get b": silent, "get c": silent },
      },
      { quiet: 2 },
    ],
  },
});

Deno.test("MemcacheClient waits for ever where there is no time-out", async () => {
  const scene = new ClientScene({ timeout: 0 });
  await scene.play([
    { lookups: "a", pass: 1e9 },
    { say: value("a"), got: { "get a": "a" } },
  ]);
  assertEquals(scene.clock.set, []);
  await scene.close();
});

Deno.test("MemcacheClient ends a connect, and closes a socket that comes late", async () => {
  const scene = new ClientScene();
  let open = (_socket: Socket) => {};
  scene.server.refusals.push(() => new Promise((resolve) => open = resolve));
  await scene.play([
    {
      ask: ["get a"],
      timeout: true,
      got: {
        "get a": "no answer: cannot connect to memcached at inet:h:1: " +
          "no answer within 2 s",
      },
    },
    // The next one has a time-out of its own, also when it comes at once.
    { lookups: "b", timeout: true },
    { pause: true },
    { sent: "get b\r\n", on: 1, timeout: true, got: { "get b": silent } },
  ]);
  const late = new FakeConnection();
  open(late.socket);
  await late.whenClosed;
  await scene.close();
});

Deno.test("MemcacheClient has a time-out for a connect that is begun when another one failed", async () => {
  const scene = new ClientScene();
  scene.server.refusals.push(
    () => new Promise(() => {}),
    () => new Promise(() => {}),
  );
  const ask = () =>
    scene.client.request("get", encodeGet(byteText.encode("a")), () => {});
  const both = ask().catch(() => ask());
  await scene.clock.untilSet(timeout);
  scene.clock.pass(timeout);
  await scene.play([
    { timeout: true },
  ]);
  await assertRejects(() => both, TemporaryError, "no answer within 2 s");
  await scene.close();
});

Deno.test("MemcacheClient counts the time of a request from the last reply before it", async () => {
  const scene = new ClientScene(oneTry);
  // With so much on its way, the lookup waits for the reply.
  const data = "v".repeat(300_000);
  await scene.play([
    {
      ask: [`set a ${data}`, "get b"],
      sent: `set a 0 0 300000\r\n${data}\r\n`,
      pass: 1500,
    },
    { say: "STORED\r\n" },
    { sent: gets("b"), pass: 1900 },
    { say: value("b"), got: { "get b": "b" } },
  ]);
  await scene.close();
});

Deno.test("MemcacheClient reads what has arrived before it gives up", async () => {
  const scene = new ClientScene(oneTry);
  await scene.play([
    { lookups: "a" },
  ]);
  // The program was busy for 3 seconds; the reply has been there for two of them.
  scene.clock.passLate(3000);
  await scene.play([
    { say: value("a"), got: { "get a": "a" } },
  ]);
  await scene.play([
    { lookups: "b" },
  ]);
  scene.clock.passLate(3000);
  // Nothing was there.
  await scene.play([
    { pass: 10, got: { "get b": silent } },
  ]);
  await scene.close();
});

Deno.test("MemcacheClient ends a hang in a program that never gets less busy", async () => {
  for (const connects of [true, false]) {
    const scene = new ClientScene(oneTry);
    if (!connects) {
      scene.server.refusals.push(() => new Promise(() => {}));
    }
    await scene.play(connects ? [{ lookups: "a" }] : [{ ask: ["get a"] }]);
    // Each turn of the event loop takes longer than a late timer may be.
    scene.clock.passLate(3000);
    scene.clock.passLate(70);
    await scene.play([
      {
        got: {
          "get a": connects
            ? silent
            : "no answer: cannot connect to memcached at inet:h:1: " +
              "no answer within 2 s",
        },
      },
    ]);
    await scene.close();
  }
});
