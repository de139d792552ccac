import { assert } from "../../support/assert.ts";
import { Random } from "../../support/random.ts";
import { compare } from "../../support/same_answers.ts";

// ROUNDS=10000 for a night, SEED=… to repeat a failure.
const rounds = Number(Deno.env.get("ROUNDS") ?? 300);

Deno.test("a memcache table gives the same answers singly, in bulk and at once", async () => {
  const several = await compare(Random.seeded("same answers"), rounds);

  assert(several > 0, "no round had several connections");
});
