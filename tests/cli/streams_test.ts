import { assertEquals } from "../support/assert.ts";
import { oddStreams, runWithOddStreams } from "../support/odd_streams.ts";
import { root } from "../support/processes.ts";

Deno.test("command line meets odd standard streams with a status and a clear line", async () => {
  const command = [Deno.execPath(), "run", "-A", `${root}cli.ts`];
  const outcomes = await runWithOddStreams(command);
  for (const [name, { code, stdout, stderr }] of Object.entries(oddStreams)) {
    assertEquals(outcomes[name], { code, stdout, stderr }, name);
  }
});
