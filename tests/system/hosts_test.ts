import { placeOfHost } from "../../lib/system/hosts.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("placeOfHost() knows loopback addresses, however they are written", async () => {
  for (
    const host of [
      "localhost",
      "LOCALHOST.",
      "mc.localhost",
      "127.0.0.1",
      "127.1.2.3",
      "127.000.000.001",
      "0.0.0.0",
      "::1",
      "0:0:0:0:0:0:0:1",
      "::ffff:127.0.0.1",
    ]
  ) assertEquals(await placeOfHost(host), "here", host);
});

Deno.test("placeOfHost() knows the addresses and the name of this machine", async () => {
  const own = Deno.networkInterfaces().map(({ address }) => address);
  for (const address of own) {
    assertEquals(await placeOfHost(address), "here", address);
  }
  // Of the ranges for documentation, unless this machine is an example.
  for (const address of ["192.0.2.77", "2001:db8::77", "198.51.100.1"]) {
    if (own.includes(address)) continue;
    assertEquals(await placeOfHost(address), "elsewhere", address);
  }
  assertEquals(await placeOfHost("no-such-host.invalid"), "unknown");
});

Deno.test("placeOfHost() resolves names as the system does", async () => {
  const hosts = await Deno.readTextFile("/etc/hosts");
  const own = Deno.networkInterfaces().map(({ address }) => address);
  for (const line of hosts.split("\n")) {
    const [address, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (!own.includes(address) && !/^127\./.test(address)) continue;
    for (const name of names) {
      assertEquals(await placeOfHost(name), "here", name);
    }
  }
});

Deno.test({
  name: "placeOfHost() asks for no permission",
  permissions: { net: false, sys: false },
  fn: async () => {
    assertEquals(await placeOfHost("127.0.0.1"), "here");
    assertEquals(await placeOfHost("192.0.2.77"), "unknown");
    assertEquals(await placeOfHost("example.com"), "unknown");
  },
});
