import { runProgram } from "../../lib/system/programs.ts";
import { assertRejects } from "../support/assert.ts";

Deno.test("a program that runs for too long is killed when its signal is aborted", async () => {
  const abort = new AbortController();
  const running = runProgram(
    "sleep",
    ["1000"],
    new Uint8Array(),
    abort.signal,
  );
  const ended = assertRejects(() => running, Error, "enough");
  abort.abort(new Error("enough"));
  await ended;
  await assertRejects(
    () => runProgram("true", [], new Uint8Array(), abort.signal),
    Error,
    "enough",
  );
});
