import { assertEquals } from "../support/assert.ts";
import { ClientScene, value } from "../support/client_scene.ts";

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
