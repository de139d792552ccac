import { attack } from "../../support/hostile_replies.ts";
import { Random } from "../../support/random.ts";

// ROUNDS=30000 for a night, SEED=… to repeat a failure.
const rounds = Number(Deno.env.get("ROUNDS") ?? 400);

Deno.test("a memcache table comes to an end with any replies, and goes on", async () => {
  await attack(Random.seeded("hostile replies"), rounds);
});
