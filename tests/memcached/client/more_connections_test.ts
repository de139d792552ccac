import { assertEquals } from "../../support/assert.ts";
import { MoreConnections } from "../../../lib/memcached/more_connections.ts";
import type { ClientOptions } from "../../../lib/memcached/client.ts";
import {
  busy,
  ClientScene,
  full,
  gets,
  type Scene,
  sets,
  type Step,
  testScenes,
} from "../../support/client_scene.ts";

const options = (most = 2): Partial<ClientOptions> => ({
  connections: most,
  worthAnother: 8,
  loadMoreConnections: () => Promise.resolve(MoreConnections),
});

const probe = "get memcache-table\r\n";
const values = (keys: string) =>
  [...keys].map((key) => `VALUE ${key} 0 1\r\n${key}\r\n`).join("") + "END\r\n";

/** Two exchanges on the first connection, and a second one that works. */
const second: Step[] = [
  { ask: ["gets abcdefgh"], sent: "get a b c d e f g h\r\n", on: 0 },
  { ask: ["gets ijkl"], sent: "get i j k l\r\n", on: 0 },
  { sent: probe, on: 1, say: "END\r\n" },
  { quiet: 2 },
];

const scenes: Record<string, Scene> = {
  "opens a second connection when there is much to do, and sends where least is under way":
    {
      options: options(),
      steps: [
        ...second,
        { ask: ["gets mn"], sent: "get m n\r\n", on: 1 },
        { ask: ["gets o"], sent: "get o\r\n", on: 1 },
        { ask: ["gets pqrst"], sent: "get p q r s t\r\n", on: 1 },
        { on: 0, say: values("abcdefgh") + values("ijkl") },
        { quiet: 2 },
        { ask: ["gets u"], sent: "get u\r\n", on: 0 },
        { on: 1, say: values("mn") + values("o") + values("pqrst") },
        {
          on: 0,
          say: values("u"),
          got: { a: "a", l: "l", m: "m", t: "t", u: "u" },
        },
      ],
    },
  "keeps one connection where one is enough": {
    options: options(),
    steps: [
      { ask: ["gets abcd"], sent: "get a b c d\r\n", say: values("abcd") },
      { ask: ["gets efgh"], sent: "get e f g h\r\n", say: values("efgh") },
      { quiet: 1, got: { a: "a", h: "h" } },
    ],
  },
  "keeps one connection where no more are wanted": {
    options: options(1),
    steps: [
      { ask: ["gets abcdefgh"], sent: "get a b c d e f g h\r\n", on: 0 },
      { ask: ["gets ijkl"], sent: "get i j k l\r\n", on: 0 },
      { quiet: 1 },
    ],
  },
  "opens no more than are wanted": {
    options: options(3),
    steps: [
      ...second,
      { ask: ["gets mnopq"], sent: "get m n o p q\r\n", on: 1 },
      { ask: ["gets r"], sent: "get r\r\n", on: 1 },
      { sent: probe, on: 2, say: "END\r\n" },
      { quiet: 3 },
      { ask: ["gets stuvwx"], sent: "get s t u v w x\r\n", on: 2 },
      { ask: ["gets yz"], sent: "get y z\r\n", on: 2 },
      { quiet: 3 },
    ],
  },
  "sends writes on the first connection only, in their order": {
    options: options(),
    steps: [
      ...second,
      {
        ask: ["set m 1", "set m 2"],
        sent: sets("m", "1") + sets("m", "2"),
        on: 0,
      },
      { ask: ["gets n", "set n 1", "gets o"], sent: "get n\r\n", on: 1 },
      { sent: sets("n", "1") + "get o\r\n", on: 0 },
    ],
  },
  "goes on with one connection where the server has enough": {
    options: options(),
    steps: [
      { ask: ["gets abcdefgh"], sent: "get a b c d e f g h\r\n", on: 0 },
      { ask: ["gets ijkl"], sent: "get i j k l\r\n", on: 0 },
      {
        sent: probe,
        on: 1,
        say: "ERROR Too many open connections\r\n",
        end: true,
      },
      { ask: ["gets mn"], sent: "get m n\r\n", on: 0 },
      { pass: 1000 },
      { ask: ["gets op"], sent: "get o p\r\n", on: 0 },
      { quiet: 2 },
      {
        on: 0,
        say: values("abcdefgh") + values("ijkl") + values("mn") + values("op"),
        got: { a: "a", i: "i", m: "m", p: "p" },
      },
    ],
  },
  "gives up a second connection that refuses its first lookup": {
    options: options(),
    steps: [
      { ask: ["gets abcdefgh"], sent: "get a b c d e f g h\r\n", on: 0 },
      { ask: ["gets ijkl"], sent: "get i j k l\r\n", on: 0 },
      { sent: probe, on: 1, say: full },
      { closed: 1 },
      { ask: ["gets mn"], sent: "get m n\r\n", on: 0 },
      { quiet: 2 },
      // After a minute it is worth another attempt.
      { on: 0, say: values("abcdefgh") + values("ijkl") + values("mn") },
      { pass: 60_000 },
      { ask: ["gets abcdefgh"], sent: "get a b c d e f g h\r\n", on: 0 },
      { ask: ["gets ijkl"], sent: "get i j k l\r\n", on: 0 },
      { sent: probe, on: 2, say: "END\r\n", quiet: 3 },
      { ask: ["gets mn"], sent: "get m n\r\n", on: 2 },
    ],
  },
  "loses nothing where no second connection can be made": {
    options: options(),
    steps: [
      { ask: ["gets abcdefgh"], sent: "get a b c d e f g h\r\n", on: 0 },
      {
        refuse: "no route",
        ask: ["gets ijkl"],
        sent: "get i j k l\r\n",
        on: 0,
      },
      { quiet: 2 },
      { ask: ["gets mn"], sent: "get m n\r\n", on: 0 },
      { quiet: 2 },
    ],
  },
  "counts a failure of the second connection only for what was on it": {
    options: options(),
    steps: [
      ...second,
      { ask: ["gets mn"], sent: "get m n\r\n", on: 1 },
      { on: 1, end: true },
      // Between two replies: whether the server has read the command is unknown.
      { sent: "get m n\r\n", on: 0 },
      {
        on: 0,
        say: values("abcdefgh") + values("ijkl") + values("mn"),
        got: { a: "a", l: "l", m: "m", n: "n" },
      },
    ],
  },
  "goes on without a second connection after one failed under way": {
    options: options(),
    steps: [
      ...second,
      { ask: ["gets mn"], sent: "get m n\r\n", on: 1 },
      { ask: ["gets op"], sent: "get o p\r\n", on: 1 },
      { on: 1, say: "VALUE m 0 99999\r\n", end: true },
      { sent: gets("mn") + "get o p\r\n", on: 0 },
      { ask: ["gets q"], sent: "get q\r\n", on: 0 },
      { quiet: 2 },
      {
        on: 0,
        say: values("abcdefgh") + values("ijkl") + values("m") + values("n") +
          values("op") + values("q"),
        got: { a: "a", l: "l", m: "m", n: "n", p: "p", q: "q" },
      },
      { pass: 60_000 },
      ...second.map((step) => ({
        ...step,
        ...step.on === 1 ? { on: 2 } : {},
        ...step.quiet === 2 ? { quiet: 3 } : {},
      })),
    ],
  },
  "opens a second connection again after the server was restarted": {
    options: options(),
    steps: [
      ...second,
      { ask: ["gets mn"], sent: "get m n\r\n", on: 1 },
      { on: 1, end: true },
      { sent: "get m n\r\n", on: 0 },
      { on: 0, end: true },
      { sent: gets("abcdefgh") + "get i j k l\r\nget m n\r\n", on: 2 },
      { ask: ["gets o"], sent: "get o\r\n", on: 2 },
      { sent: probe, on: 3 },
    ],
  },
  "goes on with the second connection when the first one ends": {
    options: options(),
    steps: [
      ...second,
      { on: 0, end: true },
      // Which of the first line's keys it was is unknown.
      { sent: gets("abcdefgh") + "get i j k l\r\n", on: 1 },
      { ask: ["set z 1"], sent: sets("z", "1"), on: 1 },
      {
        on: 1,
        say: [..."abcdefgh"].map(values).join("") + values("ijkl") +
          "STORED\r\n",
        got: { a: "a", l: "l", "set z 1": "stored" },
      },
    ],
  },
  "closes a connection that it does not need any more": {
    options: options(),
    steps: [
      ...second,
      { ask: ["gets m"], sent: "get m\r\n", on: 1, say: values("m") },
      { pass: 100 },
      { pass: 100 },
      { ask: ["gets n"], sent: "get n\r\n", on: 0 },
      { sent: probe, on: 2, say: "END\r\n" },
      { quiet: 3, got: { m: "m" } },
    ],
  },
  "sends nothing on a connection that is to be left": {
    options: options(),
    steps: [
      ...second,
      { ask: ["gets m"], sent: "get m\r\n", on: 1, say: busy },
      // Whether it is the key, or the server, is found out with single lookups.
      { sent: "get m\r\n", on: 1 },
      { ask: ["gets n"], sent: "get n\r\n", on: 1 },
      { on: 1, say: busy, quiet: 2 },
      { ask: ["gets o"], sent: "get o\r\n", on: 0 },
      { on: 1, say: values("n"), closed: 1 },
    ],
  },
  "looks up on a further connection while the first one is made again": {
    options: options(),
    steps: [
      { ask: ["gets abcdefgh"], sent: "get a b c d e f g h\r\n", on: 0 },
      { ask: ["gets ijkl"], sent: "get i j k l\r\n", on: 0 },
      { sent: probe, on: 1 },
      { hang: true, on: 0, end: true, quiet: 3 },
      { on: 1, say: "END\r\n" },
      { sent: gets("abcdefgh") + "get i j k l\r\n", on: 1 },
      {
        on: 1,
        say: [..."abcdefgh"].map(values).join("") + values("ijkl"),
        got: { a: "a", l: "l" },
      },
    ],
  },
  "ends what is on all connections by the time-out": {
    options: { ...options(), maxTry: 1 },
    steps: [
      ...second,
      { ask: ["gets mn"], sent: "get m n\r\n", on: 1 },
      {
        timeout: true,
        got: {
          a: "no answer: no answer within 2 s",
          m: "no answer: no answer within 2 s",
        },
      },
    ],
  },
};

testScenes(scenes);

Deno.test("MemcacheClient takes nothing that a further connection says too much for an answer", async () => {
  const scene = new ClientScene({ ...options(), worthAnother: undefined });
  const keys = Array.from(
    { length: 4000 },
    (_, number) => `${number}`.padStart(200, "k"),
  );
  // More than is sent at once: the rest waits for a connection with room.
  scene.ask("get first");
  await scene.server.connection(0);
  await scene.play([{
    on: 0,
    say: "END\r\n",
    got: { "get first": "not found" },
  }]);
  for (const key of keys) scene.ask(`get ${key}`);
  const further = await scene.server.connection(1);
  assertEquals(await further.take(), probe);
  await scene.play([{ on: 1, say: "END\r\nEND\r\n" }, { closed: 1 }]);
  assertEquals(scene.outcomes.size, 1);
  await scene.close();
});
