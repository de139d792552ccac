import {
  formatEndpoint,
  parseEndpoint,
  parseServer,
  resolveService,
} from "../../lib/socket/endpoint.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("parseEndpoint() takes servers apart", () => {
  const tcp = (hostname: string, port: number) => ({
    transport: "tcp" as const,
    hostname,
    port,
  });
  const table: [string, unknown][] = [
    ["inet:localhost:11211", tcp("localhost", 11211)],
    ["inet:10.0.0.7:1", tcp("10.0.0.7", 1)],
    ["inet:[::1]:11211", tcp("::1", 11211)],
    ["inet:[ipv6:fc00::3]:65535", tcp("fc00::3", 65535)],
    ["inet:[mc.example]:2", tcp("mc.example", 2)],
    ["inet:::1:11211", tcp("::1", 11211)],
    ["inet::11211", tcp("localhost", 11211)],
    ["inet:11211", tcp("localhost", 11211)],
    ["inet:bücher.example:1", tcp("bücher.example", 1)],
    ["unix:/run/mc.sock", { transport: "unix", path: "/run/mc.sock" }],
    ["unix:mc.sock", { transport: "unix", path: "mc.sock" }],
    ["inet:mc.example:\n 11211", tcp("mc.example", 11211)],
    ["inet:mc.example:+11211", tcp("mc.example", 11211)],
    ["local:/run/mc", { transport: "unix", path: "/run/mc" }],
    [
      "inet:h:memcache",
      { transport: "tcp", hostname: "h", service: "memcache" },
    ],
  ];
  for (const [text, expected] of table) {
    assertEquals<unknown>(parseEndpoint(text), expected, text);
  }
});

Deno.test("parseEndpoint() says what is missing", () => {
  const table: [string, string][] = [
    ["", "no transport"],
    ["localhost", "no transport"],
    [":localhost:1", "no transport"],
    ["tcp:localhost:1", `unknown transport "tcp"`],
    ["INET:localhost:1", `unknown transport "INET"`],
    ["inet:", `nothing after "inet:"`],
    ["unix:", `nothing after "unix:"`],
    ["inet:localhost:", "no port"],
    ["inet:[::1]", "no port"],
    ["inet:[::1]:", "no port"],
    ["inet:[::1]x:1", "need [ADDRESS]:PORT"],
    ["inet:[::1:1", "need [ADDRESS]:PORT"],
    ["inet:localhost:0", "port 0 is not from 1 to 65535"],
    ["inet:localhost:99999", "port 99999 is not from 1 to 65535"],
    ["inet:a b:1", `"a b" is no host name`],
    [`unix:/${"x".repeat(107)}`, "longer than the 107 bytes"],
  ];
  for (const [text, message] of table) {
    assertThrows(() => parseEndpoint(text), RangeError, message);
  }
});

Deno.test("formatEndpoint() writes what parseEndpoint() reads", () => {
  for (const text of ["inet:localhost:11211", "inet:[::1]:2", "unix:/a"]) {
    const endpoint = parseEndpoint(text);
    if ("service" in endpoint) throw new Error("a port is no service");
    assertEquals(formatEndpoint(endpoint), text);
  }
});

Deno.test("resolveService() finds TCP services and their aliases", () => {
  const services = [
    "# name port/protocol alias",
    "memcache 11211/udp",
    "memcache\t11212/tcp  mc other # comment",
    "broken",
  ].join("\n");
  const named = (service: string) => ({
    transport: "tcp" as const,
    hostname: "h",
    service,
  });
  assertEquals(resolveService(named("memcache"), services).port, 11212);
  assertEquals(resolveService(named("other"), services).port, 11212);
  assertThrows(
    () => resolveService(named("comment"), services),
    RangeError,
    "no TCP service",
  );
});

Deno.test("parseServer() refuses what Postfix does, and says that one server is enough", () => {
  const table: [string, string][] = [
    ["inet:127.1:11211", '"127.1" is no host name or address'],
    ["inet:localhost.:11211", '"localhost." is no host name'],
    ["inet:h:11211x", '"11211x" is no port'],
    ["inet:a:1, inet:b:1", "more than one server"],
    ["inet:a:1 b:1", "more than one server"],
    ["inet:a:1;unix:/b", "more than one server"],
    ["unix:/a, unix:/b", "more than one server"],
    ["unix:/a inet:b:1", "twemproxy or mcrouter"],
    ["unix:/a\udce9", "its path is not UTF-8"],
  ];
  for (const [text, message] of table) {
    assertThrows(() => parseServer(text), RangeError, message);
  }
  assertEquals(parseServer("unix:/a b"), { transport: "unix", path: "/a b" });
});
