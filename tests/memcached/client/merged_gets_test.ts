import type { ClientOptions } from "../../../lib/memcached/client.ts";
import {
  answered,
  busy,
  ClientScene,
  gets,
  oneTry,
  silent,
  value,
} from "../../support/client_scene.ts";

/** A scene whose client knows already that it is asked many things at once. */
async function busyScene(options: Partial<ClientOptions> = {}) {
  const loadMergeGets = async () =>
    (await import("../../../lib/memcached/merged_gets.ts")).mergeGets;
  const scene = new ClientScene({ ...options, loadMergeGets });
  await scene.play([
    { lookups: "a" },
    { lookups: "b", say: "END\r\nEND\r\n" },
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
    { ask: lookups, sent: "get a\r\n" },
    {
      sent: "get b c d e f g h i j\r\n",
      say: "END\r\n" + value("d").replace("END\r\n", "") + value("j"),
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
    { ask: ["get f", "get g", "get h", "get i", "get j"], sent: "get a\r\n" },
    { sent: "get b c d e f g h i j\r\n", abort: "enough" },
    {
      say: "END\r\n" + value("c").replace("END\r\n", ""),
      end: true,
      got: { "get a": "not found", "get c": "c", "get e": "error: enough" },
    },
    {
      sent: gets("bdfghij"),
      on: 1,
      say: value("b") + busy +
        [..."fghij"].map((key) => value(key)).join(""),
      pause: true,
    },
    {
      sent: "get d\r\n",
      on: 2,
      say: value("d"),
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
    { ask: lookups, sent: "get a\r\n" },
    {
      sent: "get b c d e f g h i j\r\n",
      timeout: true,
      got: Object.fromEntries(lookups.map((lookup) => [lookup, silent])),
    },
    answered("k", 1),
  ]);
  await scene.close();
});
