// Compiled, never run: what a stranger's program may say, and what it may not.
import {
  ConfigError,
  type Connect,
  type KvDatabase,
  type LookupResult,
  MemcacheTable,
  openTable,
  type Table,
} from "@postmaps/memcache-table";
import { connectCloudflare } from "@postmaps/memcache-table/cloudflare";
import { connectDeno } from "@postmaps/memcache-table/deno";
import { MemcacheLookup } from "@postmaps/memcache-table/lookup";
import { connectNode } from "@postmaps/memcache-table/node";
import {
  serveMetrics,
  serveSocketmap,
  SocketmapMetrics,
  type SocketmapServer,
} from "@postmaps/memcache-table/socketmap";
import type { workersKv } from "@postmaps/memcache-table/workers-kv";

export const adapters: Connect[] = [
  connectCloudflare,
  connectDeno,
  connectNode,
];
export const database: typeof workersKv extends (kv: never) => KvDatabase ? true
  : false = true;

export async function use(): Promise<string | undefined> {
  const table: Table = await openTable("inline:{a=b}", { utf8: true });
  // @ts-expect-error: a key is a string
  await table.lookup(5).catch((error) => error instanceof ConfigError);
  const made = new MemcacheTable({ ttl: 60 }, { connect: connectNode });
  // @ts-expect-error: there is no such parameter
  await new MemcacheTable({ time: 60 }).close();
  for await (const found of made.lookupMany(["a", "b"])) {
    const { key, value }: LookupResult = found;
    if (value === undefined) return key;
  }
  const lookup = new MemcacheLookup({}, { connect: connectCloudflare });
  await lookup[Symbol.asyncDispose]();
  return await table.lookup("a");
}

export async function offer(table: Table): Promise<string> {
  const metrics = new SocketmapMetrics();
  const server: SocketmapServer = await serveSocketmap({ aliases: table }, {
    endpoint: "inet:127.0.0.1:0",
    metrics,
  });
  const shown = await serveMetrics({ aliases: table }, {
    endpoint: "inet:127.0.0.1:0",
    metrics,
  });
  await shown.close();
  await server.close({ drain: 1 });
  return server.endpoint;
}
