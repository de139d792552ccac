import {
  answered,
  busy,
  gets,
  oneTry,
  testScenes,
  value,
} from "../../support/client_scene.ts";

testScenes({
  "never believes a value of another key, of a lone lookup either": {
    options: oneTry,
    steps: [
      { lookups: "a" },
      // The reply to the first is lost; the next one goes out behind it.
      {
        lookups: "b",
        say: value("b"),
        got: {
          "get a": "error: a value for a key that was not asked for",
          "get b": "…",
        },
      },
      { sent: "get b\r\n", on: 1, say: value("b"), got: { "get b": "b" } },
    ],
  },
  "does not believe a good answer behind an error that may have two lines": {
    options: oneTry,
    steps: [
      {
        ask: ["delete a", "delete b", "get c"],
        sent: "delete a\r\ndelete b\r\nget c\r\n",
        say: "ERROR\r\nDELETED\r\nEND\r\n",
        got: { "delete a": 'error: it answers "ERROR"', "delete b": "…" },
      },
      {
        sent: "delete b\r\nget c\r\n",
        on: 1,
        say: "NOT_FOUND\r\nEND\r\n",
        got: { "delete b": "not found", "get c": "not found" },
      },
    ],
  },
  "believes nothing behind such an error": {
    options: oneTry,
    steps: [
      { lookups: "ab", say: "ERROR\r\n" + value("b") },
      {
        sent: "get b\r\n",
        on: 1,
        say: value("b"),
        got: { "get a": 'error: it answers "ERROR"', "get b": "b" },
      },
    ],
  },
  "passes over a value that is too long, at no cost for the others": {
    steps: [
      {
        ask: ["get a", "gets bc", "get d"],
        sent: "get a\r\nget b c\r\nget d\r\n",
        say: value("a", "x".repeat(11)) +
          value("b", "y".repeat(11)).replace("END\r\n", "") + value("c") +
          value("d"),
        got: { "get d": "d", "get a": "…" },
      },
      {
        sent: gets("ab"),
        on: 0,
        say: value("a", "x".repeat(11)) + value("b", "short"),
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
  "settles all after a refusal, a reply and bytes that nobody asked for": {
    options: oneTry,
    steps: [
      {
        lookups: "ab",
        say: busy + value("b") + "more\r\n",
        got: { "get a": 'error: it answers "SERVER_ERROR busy"', "get b": "b" },
      },
      answered("c", 1),
    ],
  },
  "says what the server said before it closed": {
    options: oneTry,
    steps: [
      {
        lookups: "a",
        say: "ERROR Too many open connections\r\n",
        end: true,
        got: {
          "get a": 'error: it answers "ERROR Too many open connections"',
        },
      },
    ],
  },
});
