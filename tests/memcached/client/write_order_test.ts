import { busy, full, sets, testScenes } from "../../support/client_scene.ts";

testScenes({
  "does not send a refused write again when a newer one of the key was done": {
    steps: [
      { ask: ["set a old"], sent: sets("a", "old"), say: busy, quiet: 1 },
      {
        ask: ["set a new"],
        sent: sets("a", "new"),
        on: 1,
        say: "STORED\r\n",
        pause: true,
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
      {
        ask: ["set a old", "sets xa"],
        sent: sets("a", "old") + sets("xa"),
        say: full,
        got: {
          "set a old": "refused",
        },
      },
      { say: "STORED\r\nSTORED\r\n", got: { a: "true", x: "true" } },
      { quiet: 1 },
    ],
  },
  "sends refused writes of one key again in their order": {
    steps: [
      {
        ask: ["set a old", "set a new"],
        sent: sets("a", "old") + sets("a", "new"),
        say: busy + busy,
        pause: true,
      },
      {
        sent: sets("a", "old") + sets("a", "new"),
        on: 1,
        say: "STORED\r\nSTORED\r\n",
        got: { "set a old": "stored", "set a new": "stored" },
      },
    ],
  },
});
