import { ClosedError, ConfigError, TemporaryError } from "../../lib/errors.ts";
import type { ClientOptions } from "../../lib/memcached/client.ts";
import type { Socket } from "../../lib/socket/socket.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  ClientScene,
  gets,
  sets,
  type Step,
  timeout,
  value,
} from "../support/client_scene.ts";
import { FakeConnection } from "../support/fake_server.ts";
import { encodeGet } from "../../lib/memcached/protocol.ts";
import { byteText } from "../../lib/bytes/text.ts";

const closed = "error: the server closed the connection";
const silent = "no answer: no answer within 2 s";
const busy = "SERVER_ERROR busy\r\n";
const full = "SERVER_ERROR out of memory storing object\r\n";

/** What a scene needs besides its steps. */
interface Scene {
  options?: Partial<ClientOptions>;
  warnings?: string[];
  steps: Step[];
}

const oneTry = { maxTry: 1 };
const many = "abcdefghijklmnopqrst";

const scenes: Record<string, Scene> = {
  "connects when it is first asked, once": {
    steps: [
      { quiet: 0 },
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { say: value("a", "1") },
      { got: { "get a": "1" } },
      { ask: ["delete b"] },
      { sent: "delete b\r\n" },
      { say: "NOT_FOUND\r\n" },
      { got: { "delete b": "not found" } },
      { quiet: 1 },
    ],
  },
  "sends concurrent requests together, in their order": {
    steps: [
      { ask: ["get a", "get b", "get c"] },
      { sent: gets("abc") },
      { say: value("a") + "END\r\n" + value("c").slice(0, 9) },
      // What is asked while others wait goes out at the end of the turn.
      { ask: ["get d", "get e"] },
      { sent: gets("de") },
      { say: value("c").slice(9) + "END\r\n" + value("e") },
      {
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
  "tries a lone command again on a new connection, after the pause": {
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { say: busy },
      { pass: 999 },
      { quiet: 1 },
      { pass: 1 },
      { sent: "get a\r\n", on: 1 },
      { say: value("a", "1") },
      { got: { "get a": "1" } },
    ],
  },
  "gives up after max_try, and logs failures after the first": {
    options: { maxTry: 3 },
    warnings: [
      "memcache:t: memcached at inet:h:1 failed: it answers " +
      '"SERVER_ERROR 2"',
    ],
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { say: "SERVER_ERROR 1\r\n" },
      { pause: true },
      { sent: "get a\r\n", on: 1 },
      { say: "SERVER_ERROR 2\r\n" },
      { pause: true },
      { sent: "get a\r\n", on: 2 },
      { say: "SERVER_ERROR 3\r\n" },
      { got: { "get a": 'error: it answers "SERVER_ERROR 3"' } },
    ],
  },
  "does not try again when connecting fails": {
    steps: [
      { refuse: "Connection refused" },
      { ask: ["get a", "sets bc"] },
      {
        got: Object.fromEntries(
          ["get a", "b", "c"].map((asked) => [
            asked,
            "no answer: cannot connect to memcached at inet:h:1: " +
            "Connection refused",
          ]),
        ),
      },
      { ask: ["get b"] },
      { sent: "get b\r\n" },
      { say: "END\r\n" },
      { got: { "get b": "not found" } },
    ],
  },
  "ends a hang, and a late reply answers nobody": {
    options: oneTry,
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { pass: 1999 },
      { got: { "get a": "…" } },
      { pass: 1 },
      { got: { "get a": silent } },
      { say: value("a", "late") },
      { ask: ["get a"] },
      { sent: "get a\r\n", on: 1 },
      { say: value("a", "own") },
      { got: { "get a": "own" } },
    ],
  },
  "counts the time-out from the last bytes that came": {
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { pass: 1500 },
      { say: "VALUE a 0" },
      { pass: 1500 },
      { say: " 1\r\n1\r\n" },
      { pass: 1500 },
      { say: "END\r\n" },
      { got: { "get a": "1" } },
    ],
  },
  "ends what drips, in the time that all tries have": {
    steps: [
      { ask: ["get a", "get b"] },
      { sent: gets("ab") },
      ...[..."VALU"].flatMap((letter): Step[] => [{ pass: 1200 }, {
        say: letter,
      }]),
      { pass: 199 },
      { got: { "get a": "…" } },
      { pass: 1 },
      {
        got: {
          "get a": "no answer: no complete answer in the time for all tries",
          "get b": "no answer: no complete answer in the time for all tries",
        },
      },
      { ask: ["get c"] },
      { sent: "get c\r\n", on: 1 },
      { say: value("c") },
      { got: { "get c": "c" } },
    ],
  },
  "notices what the server closed while it idled": {
    options: oneTry,
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { say: value("a") },
      { got: { "get a": "a" } },
      { end: true },
      { quiet: 1 },
      { ask: ["get b"] },
      { sent: "get b\r\n", on: 1 },
      { say: value("b") },
      { got: { "get b": "b" } },
    ],
  },
  "sends again at once when an idle connection ends before a reply": {
    options: oneTry,
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { say: value("a") },
      { pass: 60_000 },
      // The end comes when the request is out already, as after a long computation.
      { ask: ["get b", "deletes xy"] },
      { sent: "get b\r\n" },
      { end: true },
      { sent: "get b\r\ndelete x\r\ndelete y\r\n", on: 1 },
      { say: value("b") + "DELETED\r\nDELETED\r\n" },
      { got: { "get b": "b", x: "true", y: "true" } },
    ],
  },
  "counts it as the only try when a busy connection ends": {
    options: oneTry,
    steps: [
      { ask: ["get a", "get b", "get c"] },
      { sent: gets("abc") },
      { say: value("a") },
      { end: true },
      { got: { "get a": "a", "get b": closed } },
      { sent: gets("c"), on: 1 },
      { say: value("c") },
      { got: { "get c": "c" } },
    ],
  },
  "sends again at once what a server has not read that closes between replies":
    {
      steps: [
        { ask: ["get a", "get b", "get c"] },
        { sent: gets("abc") },
        { say: value("a") },
        { end: true },
        { sent: gets("bc"), on: 1 },
        { say: value("b") },
        { end: true },
        { sent: gets("c"), on: 2 },
        { say: "END\r\n" },
        { got: { "get a": "a", "get b": "b", "get c": "not found" } },
      ],
    },
  "goes on with the lines and commands of exchanges that have no reply": {
    steps: [
      { ask: ["sets abc", "deletes xyz"] },
      { sent: `${sets("abc")}delete x\r\ndelete y\r\ndelete z\r\n` },
      { say: "STORED\r\n" },
      { end: true },
      { sent: `${sets("bc")}delete x\r\ndelete y\r\ndelete z\r\n`, on: 1 },
      { say: "STORED\r\nSTORED\r\nDELETED\r\n" },
      { end: true },
      { sent: "delete y\r\ndelete z\r\n", on: 2 },
      { say: "NOT_FOUND\r\nDELETED\r\n" },
      {
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
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { say: value("a") + value("b") },
      { got: { "get a": "a" } },
      { ask: ["get b"] },
      { sent: "get b\r\n", on: 1 },
      { say: value("b", "own") },
      { got: { "get b": "own" } },
      { say: "END\r\n" },
      { quiet: 2 },
      { ask: ["get c"] },
      { sent: "get c\r\n", on: 2 },
      { say: value("c") },
      { got: { "get c": "c" } },
    ],
  },
  "never believes a value of another key, of a lone lookup either": {
    options: oneTry,
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      // The reply to the first is lost; the next one goes out behind it.
      { ask: ["get b"] },
      { sent: "get b\r\n" },
      { say: value("b") },
      {
        got: {
          "get a": "error: a value for a key that was not asked for",
          "get b": "…",
        },
      },
      { sent: "get b\r\n", on: 1 },
      { say: value("b") },
      { got: { "get b": "b" } },
    ],
  },
  "ends one request by its signal, and keeps the order": {
    steps: [
      { ask: ["get a", "gets xy", "get b"], with: "signal" },
      { ask: ["get c"] },
      { sent: `get a\r\nget x y\r\n${gets("bc")}` },
      { abort: "enough" },
      {
        got: {
          "get a": "error: enough",
          "gets xy": "error: enough",
          "get b": "error: enough",
        },
      },
      { say: value("a") + "END\r\n" + value("b") + value("c") },
      { got: { "get c": "c" } },
      { ask: ["get d"], with: "signal" },
      { got: { "get d": "error: enough" } },
      { quiet: 1 },
    ],
  },

  // A command fails by itself.
  "tries what was refused again by itself, while others go on": {
    steps: [
      { ask: ["get a", "get b", "get c"] },
      { sent: gets("abc") },
      { say: value("a") + busy + value("c") },
      { got: { "get a": "a", "get b": "…", "get c": "c" } },
      // Another command does not wait for that pause.
      { ask: ["get d"] },
      { sent: "get d\r\n", on: 1 },
      { say: value("d") },
      { got: { "get d": "d" } },
      { pause: true },
      { sent: "get b\r\n", on: 1 },
      { say: value("b") },
      { got: { "get b": "b" } },
    ],
  },
  "gives each of many refused commands its tries, all with one pause": {
    steps: [
      { ask: ["get a", "get b", "get c"] },
      { sent: gets("abc") },
      { say: busy + busy + busy },
      { pause: true },
      { sent: gets("abc"), on: 1 },
      { say: busy + busy + busy },
      {
        got: {
          "get a": 'error: it answers "SERVER_ERROR busy"',
          "get b": 'error: it answers "SERVER_ERROR busy"',
          "get c": 'error: it answers "SERVER_ERROR busy"',
        },
      },
      { quiet: 2 },
    ],
  },
  "does not believe a good answer behind an error that may have two lines": {
    options: oneTry,
    steps: [
      { ask: ["delete a", "delete b", "get c"] },
      { sent: "delete a\r\ndelete b\r\nget c\r\n" },
      { say: "ERROR\r\nDELETED\r\nEND\r\n" },
      { got: { "delete a": 'error: it answers "ERROR"', "delete b": "…" } },
      { sent: "delete b\r\nget c\r\n", on: 1 },
      { say: "NOT_FOUND\r\nEND\r\n" },
      { got: { "delete b": "not found", "get c": "not found" } },
    ],
  },
  "believes nothing behind such an error": {
    options: oneTry,
    steps: [
      { ask: ["get a", "get b"] },
      { sent: gets("ab") },
      { say: "ERROR\r\n" + value("b") },
      { sent: "get b\r\n", on: 1 },
      { say: value("b") },
      { got: { "get a": 'error: it answers "ERROR"', "get b": "b" } },
    ],
  },
  "tries at once again what there was no memory for, on the same connection": {
    steps: [
      { ask: ["set a 1", "get b", "set c 1"] },
      { sent: `${sets("a", "1")}get b\r\n${sets("c", "1")}` },
      { say: full + value("b") + "STORED\r\n" },
      { got: { "set a 1": "…", "get b": "b", "set c 1": "stored" } },
      { sent: sets("a", "1"), on: 0 },
      { say: full },
      { got: { "set a 1": "refused" } },
      { ask: ["get d"] },
      { sent: "get d\r\n", on: 0 },
      { say: "END\r\n" },
      { got: { "get d": "not found" } },
      { quiet: 1 },
    ],
  },
  "passes over a value that is too long, at no cost for the others": {
    steps: [
      { ask: ["get a", "gets bc", "get d"] },
      { sent: "get a\r\nget b c\r\nget d\r\n" },
      {
        say: value("a", "x".repeat(11)) +
          value("b", "y".repeat(11)).replace("END\r\n", "") + value("c") +
          value("d"),
      },
      { got: { "get d": "d", "get a": "…" } },
      { sent: gets("ab"), on: 0 },
      { say: value("a", "x".repeat(11)) + value("b", "short") },
      {
        got: {
          "get a": "error: a value of 11 bytes is longer than " +
            "data_size_limit = 10",
          b: "short",
          c: "c",
        },
      },
      { quiet: 1 },
    ],
  },
  "counts a bad reply for its command alone": {
    options: oneTry,
    steps: [
      { ask: ["get a", "get b", "get c", "get d"] },
      { sent: gets("abcd") },
      { say: value("a") + "NONSENSE\r\n" + value("x") },
      { sent: gets("cd"), on: 1 },
      { say: value("c") + value("d") },
      {
        got: {
          "get a": "a",
          "get b": 'error: it answers "NONSENSE"',
          "get c": "c",
          "get d": "d",
        },
      },
    ],
  },
  "counts half a reply for its command alone": {
    options: oneTry,
    steps: [
      { ask: ["get a", "get b", "get c"] },
      { sent: gets("abc") },
      { say: value("a") + "VALUE b 0 1\r\n" },
      { end: true },
      { sent: gets("c"), on: 1 },
      { say: value("c") },
      { got: { "get a": "a", "get b": closed, "get c": "c" } },
    ],
  },
  "counts silence for all that wait": {
    steps: [
      { ask: ["get a", "get b", "get c"] },
      { sent: gets("abc") },
      { say: value("a") },
      { timeout: true },
      { pause: true },
      { sent: gets("bc"), on: 1 },
      { timeout: true },
      { got: { "get a": "a", "get b": silent, "get c": silent } },
      { quiet: 2 },
    ],
  },
  "counts for all that wait when many connections in a row answer nothing": {
    options: oneTry,
    steps: [
      { ask: [...many].map((key) => `get ${key}`) },
      // It may be about the first alone.
      ...[...many].slice(0, 17).flatMap((_, at): Step[] => [
        { sent: gets(many.slice(at)), on: at },
        { say: "NONSENSE\r\n" },
      ]),
      {
        got: Object.fromEntries(
          [...many].map((key) => [
            `get ${key}`,
            'error: it answers "NONSENSE"',
          ]),
        ),
      },
      { quiet: 17 },
    ],
  },
  "asks for the others when the answers to some cannot be read": {
    options: oneTry,
    steps: [
      { ask: ["gets abcd"] },
      { sent: "get a b c d\r\n" },
      { say: `VALUE a 0 ${"0".repeat(1100)}1\r\n1\r\n` },
      { sent: gets("abcd"), on: 1 },
      { say: `VALUE a 0 ${"0".repeat(1100)}1\r\n1\r\n` },
      { sent: gets("bcd"), on: 2 },
      { say: `VALUE b 0 ${"0".repeat(1100)}1\r\n1\r\n` },
      { sent: gets("cd"), on: 3 },
      { say: value("c") + "END\r\n" },
      {
        got: {
          a: "error: a reply line is longer than line_size_limit = 1024",
          b: "error: a reply line is longer than line_size_limit = 1024",
          c: "c",
          d: "not found",
        },
      },
    ],
  },
  "asks each key alone when the answer to many cannot be read": {
    options: oneTry,
    steps: [
      { ask: ["gets abc"] },
      { sent: "get a b c\r\n" },
      { say: value("a").replace("END", "EN") },
      { sent: gets("bc"), on: 1 },
      { say: value("b") + "NONSENSE\r\n" },
      { got: { a: "a", b: "b", c: 'error: it answers "NONSENSE"' } },
    ],
  },
  "asks each key alone when many were refused together": {
    options: oneTry,
    steps: [
      { ask: ["gets ab"] },
      { sent: "get a b\r\n" },
      { say: busy },
      { sent: gets("ab"), on: 0 },
      { say: value("a") + busy },
      { got: { a: "a", b: 'error: it answers "SERVER_ERROR busy"' } },
    ],
  },
  "tries the writes again that were refused among many, all with one pause": {
    steps: [
      { ask: ["sets abcd"] },
      { sent: sets("abcd") },
      { say: `STORED\r\n${busy}${full}STORED\r\n` },
      { sent: sets("c"), on: 1 },
      { say: full },
      { pause: true },
      { sent: sets("b"), on: 1 },
      { say: "STORED\r\n" },
      { got: { a: "true", b: "true", c: "refused", d: "true" } },
    ],
  },

  // No sequence of bytes leaves a request waiting.
  "settles all after a refusal, a reply and bytes that nobody asked for": {
    options: oneTry,
    steps: [
      { ask: ["get a", "get b"] },
      { sent: gets("ab") },
      { say: busy + value("b") + "more\r\n" },
      {
        got: { "get a": 'error: it answers "SERVER_ERROR busy"', "get b": "b" },
      },
      { ask: ["get c"] },
      { sent: "get c\r\n", on: 1 },
      { say: value("c") },
      { got: { "get c": "c" } },
    ],
  },
  "says what the server said before it closed": {
    options: oneTry,
    steps: [
      { ask: ["get a"] },
      { sent: "get a\r\n" },
      { say: "ERROR Too many open connections\r\n" },
      { end: true },
      {
        got: {
          "get a": 'error: it answers "ERROR Too many open connections"',
        },
      },
    ],
  },

  // An older write never wins over a newer one.
  "does not send a refused write again when a newer one of the key was done": {
    steps: [
      { ask: ["set a old"] },
      { sent: sets("a", "old") },
      { say: busy },
      { quiet: 1 },
      { ask: ["set a new"] },
      { sent: sets("a", "new"), on: 1 },
      { say: "STORED\r\n" },
      { pause: true },
      {
        got: {
          "set a old": 'error: it answers "SERVER_ERROR busy"',
          "set a new": "stored",
        },
      },
      { quiet: 2 },
    ],
  },
  "does not send a refused write again while a newer one is under way": {
    steps: [
      { ask: ["set a old", "sets xa"] },
      { sent: sets("a", "old") + sets("xa") },
      { say: full },
      {
        got: {
          "set a old": "refused",
        },
      },
      { say: "STORED\r\nSTORED\r\n" },
      { got: { a: "true", x: "true" } },
      { quiet: 1 },
    ],
  },
  "sends refused writes of one key again in their order": {
    steps: [
      { ask: ["set a old", "set a new"] },
      { sent: sets("a", "old") + sets("a", "new") },
      { say: busy + busy },
      { pause: true },
      { sent: sets("a", "old") + sets("a", "new"), on: 1 },
      { say: "STORED\r\nSTORED\r\n" },
      { got: { "set a old": "stored", "set a new": "stored" } },
    ],
  },
};

for (
  const [name, { options, steps, warnings = [] }] of Object.entries(scenes)
) {
  Deno.test(`MemcacheClient ${name}`, async () => {
    const scene = new ClientScene(options);
    await scene.play(steps);
    assertEquals(scene.warnings, warnings);
    await scene.close();
  });
}

Deno.test("MemcacheClient passes a ConfigError of the adapter on as it is", async () => {
  const scene = new ClientScene();
  scene.server.refusals.push(() =>
    Promise.reject(new ConfigError("no permission"))
  );
  await assertRejects(
    () => scene.client.request("get", encodeGet(byteText.encode("a"))),
    ConfigError,
    "no permission",
  );
  await scene.close();
});

Deno.test("MemcacheClient waits for ever where there is no time-out", async () => {
  const scene = new ClientScene({ timeout: 0 });
  await scene.play([
    { ask: ["get a"] },
    { sent: "get a\r\n" },
    { pass: 1e9 },
    { say: value("a") },
    { got: { "get a": "a" } },
  ]);
  assertEquals(scene.clock.set, []);
  await scene.close();
});

Deno.test("MemcacheClient ends a connect, and closes a socket that comes late", async () => {
  const scene = new ClientScene();
  let open = (_socket: Socket) => {};
  scene.server.refusals.push(() => new Promise((resolve) => open = resolve));
  await scene.play([
    { ask: ["get a"] },
    { timeout: true },
    {
      got: {
        "get a": "no answer: cannot connect to memcached at inet:h:1: " +
          "no answer within 2 s",
      },
    },
    // The next one has a time-out of its own, also when it comes at once.
    { ask: ["get b"] },
    { sent: "get b\r\n" },
    { timeout: true },
    { pause: true },
    { sent: "get b\r\n", on: 1 },
    { timeout: true },
    { got: { "get b": silent } },
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
    scene.client.request("get", encodeGet(byteText.encode("a")));
  const both = ask().catch(() => ask());
  await scene.clock.untilSet(timeout);
  scene.clock.pass(timeout);
  await scene.play([{ timeout: true }]);
  await assertRejects(() => both, TemporaryError, "no answer within 2 s");
  await scene.close();
});

Deno.test("MemcacheClient reads what has arrived before it gives up", async () => {
  const scene = new ClientScene(oneTry);
  await scene.play([{ ask: ["get a"] }, { sent: "get a\r\n" }]);
  // The program was busy for 3 seconds; the reply has been there for two of them.
  scene.clock.passLate(3000);
  await scene.play([{ say: value("a") }, { got: { "get a": "a" } }]);
  await scene.play([{ ask: ["get b"] }, { sent: "get b\r\n" }]);
  scene.clock.passLate(3000);
  // Nothing was there.
  await scene.play([{ pass: 10 }, { got: { "get b": silent } }]);
  await scene.close();
});

Deno.test("MemcacheClient sends again at once when an idle connection takes no write", async () => {
  const scene = new ClientScene(oneTry);
  await scene.play([
    { ask: ["get a"] },
    { sent: "get a\r\n" },
    { say: value("a") },
    { pass: 60_000 },
  ]);
  scene.server.connections[0].failWrites = true;
  await scene.play([
    { ask: ["get b"] },
    { pass: 10 },
    { sent: "get b\r\n", on: 1 },
    { say: value("b") },
    { got: { "get b": "b" } },
  ]);
  await scene.close();
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
    await scene.play([{ ask: ["get a", "sets bc"] }, ...steps]);
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
    await scene.play([{ got: { "get a": "error: the table is closed" } }]);
  }
});

Deno.test("MemcacheClient does not send what was given up before it could be sent", async () => {
  const scene = new ClientScene();
  const connection = new FakeConnection();
  let open = (_socket: Socket) => {};
  scene.server.refusals.push(() => new Promise((resolve) => open = resolve));
  await scene.play([
    { ask: ["get a"], with: "signal" },
    { abort: "enough" },
    { got: { "get a": "error: enough" } },
    { ask: ["get b"] },
  ]);
  open(connection.socket);
  assertEquals(await connection.take(), "get b\r\n");
  connection.send(value("b"));
  await scene.play([{ got: { "get b": "b" } }]);
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
    await scene.play([{ got: { "get 29": "not found" } }]);
    assertEquals(listeners, 0);
  }
  await scene.close();
});

Deno.test("MemcacheClient lets the process end while it idles", async () => {
  const scene = new ClientScene();
  await scene.play([
    { ask: ["get a"] },
    { sent: "get a\r\n" },
    { say: value("a") },
    { got: { "get a": "a" } },
  ]);
  const [connection] = scene.server.connections;
  assertEquals(connection.busy.at(-1), false);
  scene.ask("get b");
  assertEquals(connection.busy.at(-1), true);
  await scene.close();
});

/** A scene whose client knows already that it is asked many things at once. */
async function busyScene(options: Partial<ClientOptions> = {}) {
  const loadMergeGets = async () =>
    (await import("../../lib/memcached/merged_gets.ts")).mergeGets;
  const scene = new ClientScene({ ...options, loadMergeGets });
  await scene.play([
    { ask: ["get a"] },
    { sent: "get a\r\n" },
    { ask: ["get b"] },
    { sent: "get b\r\n" },
    { say: "END\r\nEND\r\n" },
  ]);
  // What loads meanwhile takes turns of the event loop.
  await loadMergeGets();
  await new Promise((resolve) => setTimeout(resolve));
  return scene;
}

const letters = "abcdefghij";
const lookups = [...letters].map((key) => `get ${key}`);

Deno.test("MemcacheClient asks for the keys of many callers in one line", async () => {
  const scene = await busyScene();
  await scene.play([
    { ask: lookups },
    { sent: "get a\r\n" },
    { sent: "get b c d e f g h i j\r\n" },
    { say: "END\r\n" + value("d").replace("END\r\n", "") + value("j") },
    {
      got: Object.fromEntries(
        [...letters].map((
          key,
        ) => [`get ${key}`, "dj".includes(key) ? key : "not found"]),
      ),
    },
  ]);
  await scene.close();
});

Deno.test("MemcacheClient has each caller ask alone for what such a line leaves open", async () => {
  const scene = await busyScene();
  await scene.play([
    { ask: ["get a", "get b", "get c", "get d"] },
    { ask: ["get e"], with: "signal" },
    { ask: ["get f", "get g", "get h", "get i", "get j"] },
    { sent: "get a\r\n" },
    { sent: "get b c d e f g h i j\r\n" },
    { abort: "enough" },
    { say: "END\r\n" + value("c").replace("END\r\n", "") },
    { end: true },
    { got: { "get a": "not found", "get c": "c", "get e": "error: enough" } },
    { sent: gets("bdfghij"), on: 1 },
    {
      say: value("b") + busy +
        [..."fghij"].map((key) => value(key)).join(""),
    },
    { pause: true },
    { sent: "get d\r\n", on: 2 },
    { say: value("d") },
    {
      got: Object.fromEntries(
        [..."bcdfghij"].map((key) => [`get ${key}`, key]),
      ),
    },
  ]);
  await scene.close();
});

Deno.test("MemcacheClient gives up many at once when the server is silent", async () => {
  const scene = await busyScene(oneTry);
  await scene.play([
    { ask: lookups },
    { sent: "get a\r\n" },
    { sent: "get b c d e f g h i j\r\n" },
    { timeout: true },
    { got: Object.fromEntries(lookups.map((lookup) => [lookup, silent])) },
    { ask: ["get k"] },
    { sent: "get k\r\n", on: 1 },
    { say: value("k") },
    { got: { "get k": "k" } },
  ]);
  await scene.close();
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
      await scene.play([{ got: {} }]);
    }
    most = Math.max(most, taken.length);
    const count = taken.split("\r\n").length - 1;
    answered += count;
    connection.send("END\r\n".repeat(count));
    await scene.play([{ got: {} }]);
  }
  assertEquals(new Set(scene.outcomes.values()), new Set(["not found"]));
  assertEquals(scene.outcomes.size, keys.length);
  assert(most <= 262144 + 65536 + 300, `${most} bytes under way`);
  assert(most >= 65536, `${most} bytes under way`);
  assert(largest <= 65536 + 300, `${largest} bytes in one write`);
  await scene.close();
});
