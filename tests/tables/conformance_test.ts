import { requirements } from "../support/conformance/requirements.ts";
import { kinds } from "../support/table_kinds.ts";

for (const kind of kinds) {
  Deno.test(`conformance: ${kind.name}`, async (test) => {
    await using maker = await kind.start();
    for (const { name, of = () => true, holds } of requirements) {
      if (of(kind)) await test.step(name, () => holds(kind, maker));
    }
  });
}
