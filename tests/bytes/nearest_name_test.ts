import { nearestName } from "../../lib/bytes/nearest_name.ts";
import { parameterNames } from "../../lib/tables/memcache/parameters.ts";
import { assertEquals } from "../support/assert.ts";
import { Random } from "../support/random.ts";

Deno.test("nearestName() finds what was meant", () => {
  const random = Random.seeded("nearestName()");
  const letters = "abcdefghijklmnopqrstuvwxyz_".split("");
  const slip = (name: string) => {
    const at = random.integer(0, name.length - 1);
    const letter = random.pick(letters);
    switch (random.integer(0, 3)) {
      case 0:
        return name.slice(0, at) + name.slice(at + 1);
      case 1:
        return name.slice(0, at) + letter + name.slice(at);
      case 2:
        return name.slice(0, at) + letter + name.slice(at + 1);
      default:
        return name.slice(0, at) + (name[at + 1] ?? "") + name[at] +
          name.slice(at + 2);
    }
  };
  for (let round = 0; round < 2000; round++) {
    const name = random.pick(parameterNames);
    const once = slip(name);
    assertEquals(nearestName(once, parameterNames), name, once);
    // Two slips can make a short name another word, and line_… data_….
    if (name.length < 10 || name === "line_size_limit") continue;
    const twice = slip(once);
    assertEquals(nearestName(twice, parameterNames), name, twice);
  }
});

Deno.test("nearestName() knows how names are written elsewhere, and what is none", () => {
  const table: [string, string | undefined][] = [
    ["key_fromat", "key_format"],
    ["Key-Format", "key_format"],
    ["keyformat", "key_format"],
    ["TTL", "ttl"],
    ["retry", "retry_pause"],
    ["data_size", "data_size_limit"],
    ["max_tries", "max_try"],
    ["time_out", "timeout"],
    ["domains", "domain"],
    ["backups", "backup"],
    ["colour", undefined],
    ["hosts", undefined],
    ["user", undefined],
    ["x", undefined],
    ["", undefined],
    ["__proto__", undefined],
  ];
  for (const [written, expected] of table) {
    assertEquals(nearestName(written, parameterNames), expected, written);
  }
});
