import { assertEquals } from "../support/assert.ts";
import { ClientScene, gets, value } from "../support/client_scene.ts";

Deno.test("MemcacheClient counts the silence of a connection that idled before as a try", async () => {
  const scene = new ClientScene();
  await scene.play([
    { ask: ["get a"] },
    { sent: "get a\r\n" },
    { say: value("a") },
    { pass: 60_000 },
    { ask: ["get b"] },
    { sent: "get b\r\n" },
  ]);
  const start = scene.clock.now();
  await scene.play([
    { timeout: true },
    // The pause first.
    { quiet: 1 },
    { pause: true },
    { sent: "get b\r\n", on: 1 },
    { timeout: true },
    { got: { "get b": "no answer: no answer within 2 s" } },
  ]);
  assertEquals(scene.clock.now() - start, 2000 + 1000 + 2000);
  await scene.close();
});

Deno.test("MemcacheClient waits no time for a server that wants a log-in, and says nothing more", async () => {
  const scene = new ClientScene();
  const keys = "abcdefghijklmnopqrstuvwxyz";
  const refusal = "CLIENT_ERROR unauthenticated\r\n";
  await scene.play([{ ask: [...keys].map((key) => `get ${key}`) }]);
  // It may be about one key, so others are asked, each on a connection of its own.
  for (let on = 0; on < 17; on++) {
    await scene.play([{ sent: gets(keys.slice(on)), on }, {
      say: refusal,
      on,
    }]);
  }
  // Now it is about all of them.
  await scene.play([
    { quiet: 17 },
    { pause: true },
    { sent: gets("abcdefghijklmnoprstuvwxyzq"), on: 17 },
    { say: refusal, on: 17 },
    {
      got: Object.fromEntries(
        [...keys].map((key) => [
          `get ${key}`,
          'error: it answers "CLIENT_ERROR unauthenticated": set user and password',
        ]),
      ),
    },
    { quiet: 18 },
  ]);
  assertEquals(scene.clock.now(), 1000);
  await scene.close();
});
