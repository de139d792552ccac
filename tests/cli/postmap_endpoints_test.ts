import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";

// What a server may be called, through postmap and through the command line: it is
// reached, or the backup answers in its place, or the configuration is refused.

const refused = "refused";
const backup = "backup";
const reached = "reached";

// PORT is memcached's, NONE one that nobody listens on.
const forms: [string, string][] = [
  ["inet:127.0.0.1:PORT", reached],
  ["inet:127.0.0.1: PORT", reached],
  ["inet:127.0.0.1:\n  PORT", reached],
  ["inet:127.0.0.1:\tPORT", reached],
  ["inet:127.0.0.1:\vPORT", reached],
  ["inet:127.0.0.1:+PORT", reached],
  ["inet:127.0.0.1: +PORT", reached],
  ["inet:127.0.0.1:0PORT", reached],
  ["inet:127.0.0.1:00000000000000000000PORT", reached],
  ["inet:127.0.0.1:NONE", backup],
  ["inet:127.0.0.1:-PORT", backup],
  ["inet:127.0.0.1:+ PORT", backup],
  ["inet:127.0.0.1: PORTx", backup],
  ["inet:127.0.0.1:PORTx", refused],
  ["inet:127.0.0.1:PORT 1", refused],
  ["inet:127.0.0.1:0x2bcb", refused],
  ["inet:127.0.0.1 :PORT", refused],
  ["inet: 127.0.0.1:PORT", refused],
  ["inet :127.0.0.1:PORT", refused],
  ["inet:127.0.0.1:nosuchservice", backup],
  ["inet:127.0.0.1:", refused],
  ["inet:127.0.0.1", refused],
  ["inet::PORT", reached],
  ["inet:PORT", reached],
  ["inet::", refused],
  ["inet:", refused],
  [":PORT", refused],
  ["inet", refused],
  ["inet:[127.0.0.1]:PORT", reached],
  ["inet:[127.0.0.1]: PORT", reached],
  ["inet:[127.0.0.1] :PORT", refused],
  ["inet:[ 127.0.0.1]:PORT", refused],
  ["inet:[127.0.0.1]PORT", refused],
  ["inet:[127.0.0.1]", refused],
  ["inet:[127.0.0.1]:", refused],
  ["inet:[127.0.0.1", refused],
  ["inet:[]:PORT", refused],
  ["inet:[::ffff:127.0.0.1]:PORT", reached],
  ["inet:::ffff:127.0.0.1:PORT", reached],
  ["inet:[IPv6:::ffff:127.0.0.1]:PORT", reached],
  ["inet:[ipv6:::ffff:7f00:1]:PORT", reached],
  ["inet:[IPv6:127.0.0.1]:PORT", refused],
  ["inet:IPv6:::1:PORT", refused],
  ["inet:[::1%lo]:PORT", refused],
  ["inet:[::1::2]:PORT", refused],
  ["inet:[::g]:PORT", refused],
  ["inet:[::12345]:PORT", refused],
  ["inet:[localhost]:PORT", reached],
  ["inet:LOCALHOST:PORT", reached],
  ["inet:localhost.:PORT", refused],
  ["inet:.localhost:PORT", refused],
  ["inet:local..host:PORT", refused],
  ["inet:127.1:PORT", refused],
  ["inet:2130706433:PORT", refused],
  ["inet:0:PORT", refused],
  ["inet:127.0.0.256:PORT", refused],
  ["inet:127.0.0.1.:PORT", refused],
  ["inet:127.0.0.1.1:PORT", refused],
  ["inet:0x7f000001:PORT", reached],
  ["inet:0177.0.0.1:PORT", reached],
  ["inet:127.0.0.01:PORT", reached],
  ["inet:*:PORT", refused],
  ["inet:a b:PORT", refused],
  ["inet:-local:PORT", refused],
  ["inet:local-:PORT", refused],
  ["inet:lo-.cal:PORT", refused],
  [`inet:${"a".repeat(64)}:PORT`, refused],
  ["inet:127.0.0.1/8:PORT", refused],
  ["inet:user@localhost:PORT", refused],
  ["inet://127.0.0.1:PORT", refused],
  ["inet:127.0.0.1:PORT, inet:127.0.0.1:NONE", refused],
  ["inet:127.0.0.1:PORT inet:127.0.0.1:PORT", refused],
  ["inet:127.0.0.1:PORT,127.0.0.1:PORT", refused],
  ["INET:127.0.0.1:PORT", refused],
  ["tcp:127.0.0.1:PORT", refused],
  ["127.0.0.1:PORT", refused],
  ["localhost", refused],
  ["unix:/nonexistent", backup],
  ["unix: /nonexistent", backup],
  ["local:/nonexistent", backup],
  ["unix:", refused],
];

Deno.test("servers are taken and refused as by postmap", async () => {
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  await memcached.set("k", reached);
  const config = ["-c", await folder.mailConfiguration()];
  const port = memcached.server.replace(/.*:/, "");
  const none = `${freePort()}`;
  // What postmap refuses, it waits a second for.
  await atOnce(8, forms, async ([form, expected], number) => {
    const server = form.replaceAll("PORT", port).replaceAll("NONE", none);
    const file = await folder.write(
      `${number}.cf`,
      `memcache = ${server}\nbackup = static:${backup}\n`,
    );
    const args = [...config, "-q", "k", `memcache:${file}`];
    const outcome = ({ code, stdout }: { code: number; stdout: string }) =>
      code === 0 ? stdout : stdout === "" ? `${refused}\n` : stdout;
    const theirs = await runPostmap(args);
    assertEquals(outcome(theirs), `${expected}\n`, form);
    const ours = await runCli(args);
    assertEquals(outcome(ours), `${expected}\n`, `${form}: ${ours.stderr}`);
  });
});
