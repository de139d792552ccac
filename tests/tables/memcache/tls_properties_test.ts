import { attack } from "../../support/hostile_replies.ts";
import { overTls } from "../../support/over_tls.ts";
import { Random } from "../../support/random.ts";
import { compare } from "../../support/same_answers.ts";

// What holds of a table holds over TLS. ROUNDS=1000 for a night, SEED=… to repeat a
// failure.
const rounds = Number(Deno.env.get("ROUNDS") ?? 25);

Deno.test("over TLS a memcache table gives the same answers, singly, in bulk and at once", async () => {
  const random = Random.seeded("same answers over TLS");
  await compare(random, rounds, await overTls());
});

Deno.test("over TLS a memcache table comes to an end with any replies, and goes on", async () => {
  const random = Random.seeded("hostile replies over TLS");
  await attack(random, rounds, await overTls());
});
