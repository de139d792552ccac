// Cloudflare's workerd: `POST /` with a world answers with what holds in it.
import { openTable } from "@postmaps/memcache-table";
import {
  workersKv,
  type WorkersKvNamespace,
} from "@postmaps/memcache-table/workers-kv";
import { holdTo } from "./requirements.ts";

export default {
  async fetch(
    request: Request,
    env: { ALIASES: WorkersKvNamespace },
  ): Promise<Response> {
    const world = await request.json();
    const outcomes = await holdTo(world);
    const name = "keeps a table in Workers KV";
    try {
      await using table = await openTable("kv:", {
        write: true,
        openKv: () => Promise.resolve(workersKv(env.ALIASES)),
      });
      await table.update("Alice", "v");
      const value = await table.lookup("alice");
      outcomes.push(value === "v" ? { name } : { name, error: `${value}` });
    } catch (error) {
      outcomes.push({ name, error: (error as Error).message });
    }
    return Response.json(outcomes);
  },
};
