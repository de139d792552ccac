import {
  answered,
  busy,
  closed,
  full,
  gets,
  oneTry,
  sets,
  type Step,
  testScenes,
  value,
} from "../../support/client_scene.ts";

const many = "abcdefghijklmnopqrst";

testScenes({
  "tries a lone command again on a new connection, after the pause": {
    steps: [
      { lookups: "a", say: busy, pass: 999, quiet: 1 },
      { pass: 1 },
      { sent: "get a\r\n", on: 1, say: value("a", "1"), got: { "get a": "1" } },
    ],
  },
  "gives up after max_try, and logs failures after the first": {
    options: { maxTry: 3 },
    warnings: [
      "memcache:t: memcached at inet:h:1 failed: it answers " +
      '"SERVER_ERROR 2"',
    ],
    steps: [
      { lookups: "a", say: "SERVER_ERROR 1\r\n", pause: true },
      { sent: "get a\r\n", on: 1, say: "SERVER_ERROR 2\r\n", pause: true },
      {
        sent: "get a\r\n",
        on: 2,
        say: "SERVER_ERROR 3\r\n",
        got: { "get a": 'error: it answers "SERVER_ERROR 3"' },
      },
    ],
  },
  "tries what was refused again by itself, while others go on": {
    steps: [
      {
        lookups: "abc",
        say: value("a") + busy + value("c"),
        got: { "get a": "a", "get b": "…", "get c": "c" },
      },
      // Another command does not wait for that pause.
      answered("d", 1),
      { pause: true },
      { sent: "get b\r\n", on: 1, say: value("b"), got: { "get b": "b" } },
    ],
  },
  "gives each of many refused commands its tries, all with one pause": {
    steps: [
      {
        lookups: "abc",
        say: busy + busy + busy,
        pause: true,
      },
      {
        sent: gets("abc"),
        on: 1,
        say: busy + busy + busy,
        got: {
          "get a": 'error: it answers "SERVER_ERROR busy"',
          "get b": 'error: it answers "SERVER_ERROR busy"',
          "get c": 'error: it answers "SERVER_ERROR busy"',
        },
      },
      { quiet: 2 },
    ],
  },
  "tries at once again what there was no memory for, on the same connection": {
    steps: [
      {
        ask: ["set a 1", "get b", "set c 1"],
        sent: `${sets("a", "1")}get b\r\n${sets("c", "1")}`,
        say: full + value("b") + "STORED\r\n",
        got: { "set a 1": "…", "get b": "b", "set c 1": "stored" },
      },
      { sent: sets("a", "1"), on: 0, say: full, got: { "set a 1": "refused" } },
      { lookups: "d", on: 0, say: "END\r\n", got: { "get d": "not found" } },
      { quiet: 1 },
    ],
  },
  "counts a bad reply for its command alone": {
    options: oneTry,
    steps: [
      { lookups: "abcd", say: value("a") + "NONSENSE\r\n" + value("x") },
      {
        sent: gets("cd"),
        on: 1,
        say: value("c") + value("d"),
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
      { lookups: "abc", say: value("a") + "VALUE b 0 1\r\n", end: true },
      {
        sent: gets("c"),
        on: 1,
        say: value("c"),
        got: { "get a": "a", "get b": closed, "get c": "c" },
      },
    ],
  },
  "counts for all that wait when many connections in a row answer nothing": {
    options: oneTry,
    steps: [
      { ask: [...many].map((key) => `get ${key}`) },
      // It may be about the first alone.
      ...[...many].slice(0, 17).flatMap((_, at): Step[] => [
        { sent: gets(many.slice(at)), on: at, say: "NONSENSE\r\n" },
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
});
