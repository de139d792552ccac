import { runProgram } from "../../lib/system/programs.ts";
import { assertRejects } from "../support/assert.ts";

Deno.test("a program that runs for too long is killed when its signal is aborted", async () => {
  const abort = new AbortController();
  const forever = ["eval", "setInterval(() => {}, 1000)"];
  const { signal } = abort;
  const run = () =>
    runProgram(Deno.execPath(), forever, new Uint8Array(), signal);
  const running = run();
  const ended = assertRejects(() => running, Error, "enough");
  abort.abort(new Error("enough"));
  await ended;
  await assertRejects(run, Error, "enough");
});
