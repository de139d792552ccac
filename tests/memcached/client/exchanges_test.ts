import {
  busy,
  full,
  gets,
  oneTry,
  sets,
  testScenes,
  value,
} from "../../support/client_scene.ts";

const noMemory =
  'error: it answers "SERVER_ERROR out of memory storing object"';

testScenes({
  "asks for the others when the answers to some cannot be read": {
    options: oneTry,
    steps: [
      {
        ask: ["gets abcd"],
        sent: "get a b c d\r\n",
        say: `VALUE a 0 ${"0".repeat(1100)}1\r\n1\r\n`,
      },
      {
        sent: gets("abcd"),
        on: 1,
        say: `VALUE a 0 ${"0".repeat(1100)}1\r\n1\r\n`,
      },
      {
        sent: gets("bcd"),
        on: 2,
        say: `VALUE b 0 ${"0".repeat(1100)}1\r\n1\r\n`,
      },
      {
        sent: gets("cd"),
        on: 3,
        say: value("c") + "END\r\n",
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
      {
        ask: ["gets abc"],
        sent: "get a b c\r\n",
        say: value("a").replace("END", "EN"),
      },
      {
        sent: gets("bc"),
        on: 1,
        say: value("b") + "NONSENSE\r\n",
        got: { a: "a", b: "b", c: 'error: it answers "NONSENSE"' },
      },
    ],
  },
  "asks each key alone when many were refused together": {
    options: oneTry,
    steps: [
      { ask: ["gets ab"], sent: "get a b\r\n", say: busy },
      {
        sent: gets("ab"),
        on: 0,
        say: value("a") + busy,
        got: { a: "a", b: 'error: it answers "SERVER_ERROR busy"' },
      },
    ],
  },
  "tries the writes again that were refused among many, all with one pause": {
    steps: [
      {
        ask: ["sets abcd"],
        sent: sets("abcd"),
        say: `STORED\r\n${busy}${full}STORED\r\n`,
      },
      { sent: sets("c"), on: 1, say: full, pause: true },
      {
        sent: sets("b"),
        on: 1,
        say: "STORED\r\n",
        got: { a: "true", b: "true", c: "refused", d: "true" },
      },
    ],
  },
  "tells what a delete did that was refused among many": {
    steps: [
      {
        ask: ["deletes abc"],
        sent: "delete a\r\ndelete b\r\ndelete c\r\n",
        say: full + "DELETED\r\n" + full,
      },
      {
        sent: "delete a\r\ndelete c\r\n",
        on: 0,
        say: "NOT_FOUND\r\nDELETED\r\n",
        got: { a: "false", b: "true", c: "true" },
      },
    ],
  },
  "fails a delete that is refused again and again, and not the others": {
    steps: [
      { ask: ["delete x"], sent: "delete x\r\n", say: full },
      {
        sent: "delete x\r\n",
        on: 0,
        say: full,
        got: { "delete x": noMemory },
      },
      {
        ask: ["deletes abc"],
        sent: "delete a\r\ndelete b\r\ndelete c\r\n",
        on: 0,
        say: full + "DELETED\r\n" + full,
      },
      {
        sent: "delete a\r\ndelete c\r\n",
        on: 0,
        say: full + "NOT_FOUND\r\n",
        got: { a: noMemory, b: "true", c: "false" },
      },
    ],
  },
  "fails a refused delete that a newer write follows": {
    steps: [
      {
        ask: ["delete a", "set a new"],
        sent: `delete a\r\n${sets("a", "new")}`,
        say: full,
        got: { "delete a": noMemory },
      },
      { say: "STORED\r\n", got: { "set a new": "stored" } },
      { quiet: 1 },
    ],
  },
});
