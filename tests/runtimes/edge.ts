// The Worker of README: nothing but lookups.
import { connectCloudflare } from "@postmaps/memcache-table/cloudflare";
import { MemcacheLookup } from "@postmaps/memcache-table/lookup";

export default {
  async fetch(request: Request): Promise<Response> {
    await using table = new MemcacheLookup(
      { memcache: "inet:cache.example.com:11211", key_format: "aliases:%s" },
      { connect: connectCloudflare },
    );
    const key = new URL(request.url).pathname.slice(1);
    const value = await table.lookup(key);
    return new Response(value, { status: value === undefined ? 404 : 200 });
  },
};
