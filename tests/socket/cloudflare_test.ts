import { connectCloudflare } from "../../lib/socket/cloudflare.ts";
import {
  ConfigError,
  MemcacheTable,
  type MemcacheTableParameters,
} from "../../mod.ts";
import { assertRejects } from "../support/assert.ts";

Deno.test("connectCloudflare() refuses what Workers cannot do, before it connects", async () => {
  const memcache = "tls:cache.example.com:11211";
  const caCerts = "-----BEGIN CERTIFICATE-----\n";
  const table: [MemcacheTableParameters, string][] = [
    [{ memcache, tls: { caCerts } }, "no TLS options: leave out caCerts"],
    [
      { memcache, tls: { serverName: "other", caCerts } },
      "leave out caCerts,serverName",
    ],
    [{ memcache, tls_verify_cert: "no" }, "leave out verify"],
    [{ memcache, tls_server_name: "other" }, "leave out serverName"],
    [{ memcache: "unix:/run/mc.sock" }, "no UNIX-domain sockets"],
    // With Cloudflare's own authorities, all that is missing is Cloudflare.
    [{ memcache }, "this runtime has no cloudflare:sockets"],
  ];
  for (const [parameters, message] of table) {
    await using memcacheTable = new MemcacheTable(parameters, {
      connect: connectCloudflare,
      onWarning: () => {},
    });
    const ask = () => memcacheTable.lookup("k");
    await assertRejects(ask, ConfigError, message);
  }
});
