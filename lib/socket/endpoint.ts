import type { Endpoint, TcpEndpoint } from "./socket.ts";

/** An endpoint whose port is still the name of a service. */
export interface NamedServiceEndpoint {
  /** As in {@linkcode TcpEndpoint}. */
  readonly transport: "tcp";
  /** As in {@linkcode TcpEndpoint}. */
  readonly hostname: string;
  /** A name of /etc/services. */
  readonly service: string;
}

/** Of the path of a socket, in bytes: sockaddr_un holds 108, the terminator included. */
export const longestPath = 107;

/**
 * Takes a server specification apart: `inet:HOST:PORT`, `inet:[IPV6]:PORT`,
 * `unix:PATH`. As with Postfix an empty host, or none, is localhost. Throws a
 * `RangeError` that says what is missing. Port 0, any that is free, is for those
 * who listen.
 *
 * Implements "memcache" of memcache_table(5).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseEndpoint } from "./endpoint.ts";
 *
 * assertEquals(parseEndpoint("inet:[::1]:11211"), {
 *   transport: "tcp",
 *   hostname: "::1",
 *   port: 11211,
 * });
 * ```
 */
export function parseEndpoint(
  specification: string,
  { leastPort = 1 }: { leastPort?: 0 | 1 } = {},
): Endpoint | NamedServiceEndpoint {
  const colon = specification.indexOf(":");
  const transport = specification.slice(0, Math.max(colon, 0));
  const address = specification.slice(colon + 1);
  if (transport === "") {
    throw new RangeError(
      `no transport in "${specification}": need inet:HOST:PORT or unix:PATH`,
    );
  }
  if (address === "") {
    throw new RangeError(`nothing after "${transport}:"`);
  }
  switch (transport) {
    case "inet":
      return parseInet(address, leastPort);
    case "unix":
    case "local":
      return parseUnix(address);
    default:
      throw new RangeError(
        `unknown transport "${transport}": need inet:HOST:PORT or unix:PATH`,
      );
  }
}

function parseUnix(path: string): Endpoint {
  if (new TextEncoder().encode(path).length > longestPath) {
    throw new RangeError(
      `"${path}" is longer than the ${longestPath} bytes that a socket path may have`,
    );
  }
  return { transport: "unix", path };
}

function parseInet(
  address: string,
  leastPort: number,
): Endpoint | NamedServiceEndpoint {
  let hostname: string;
  let port: string;
  if (address.startsWith("[")) {
    const parts = /^\[(?:IPv6:)?([^\]]+)\](?::(.*))?$/i.exec(address);
    if (parts === null) {
      throw new RangeError(`need [ADDRESS]:PORT instead of "${address}"`);
    }
    hostname = parts[1];
    port = parts[2] ?? "";
  } else {
    const colon = address.lastIndexOf(":");
    hostname = address.slice(0, Math.max(colon, 0)) || "localhost";
    port = address.slice(colon + 1);
  }
  if (port === "") {
    throw new RangeError(`no port in "${address}": need HOST:PORT`);
  }
  if (/[^\x21-\x7e\u0080-\uffff]|[[\]/]/.test(hostname)) {
    throw new RangeError(`"${hostname}" is no host name or address`);
  }
  if (!/^[0-9]+$/.test(port)) {
    return { transport: "tcp", hostname, service: port };
  }
  if (Number(port) < leastPort || Number(port) > 65535) {
    throw new RangeError(`port ${port} is not from ${leastPort} to 65535`);
  }
  return { transport: "tcp", hostname, port: Number(port) };
}

/** The specification of an endpoint, for messages. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.transport === "unix") return `unix:${endpoint.path}`;
  const { hostname, port } = endpoint;
  return `inet:${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/**
 * Looks a service up in the text of /etc/services. Throws a `RangeError` when
 * it is not there.
 */
export function resolveService(
  endpoint: NamedServiceEndpoint,
  services: string,
): TcpEndpoint {
  for (const line of services.split("\n")) {
    const [name, port, ...aliases] = line.replace(/#.*/, "").trim().split(
      /\s+/,
    );
    if (!port?.endsWith("/tcp")) continue;
    if (name !== endpoint.service && !aliases.includes(endpoint.service)) {
      continue;
    }
    const { hostname } = endpoint;
    return { transport: "tcp", hostname, port: parseInt(port) };
  }
  throw new RangeError(
    `"${endpoint.service}" is no port number, and no TCP service of /etc/services`,
  );
}
