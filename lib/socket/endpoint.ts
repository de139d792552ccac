import { shellWords } from "../bytes/shell_words.ts";
import { isUtf8 } from "../bytes/text.ts";
import type { Endpoint, TcpEndpoint, TlsOptions } from "./socket.ts";

/** An endpoint whose port is still the name of a service. */
export interface NamedServiceEndpoint {
  /** As in {@linkcode TcpEndpoint}. */
  readonly transport: "tcp";
  /** As in {@linkcode TcpEndpoint}. */
  readonly hostname: string;
  /** A name of /etc/services. */
  readonly service: string;
  /** As in {@linkcode TcpEndpoint}. */
  readonly tls?: TlsOptions;
}

/** The longest path of a socket, in bytes: sockaddr_un has 108, with the NUL. */
export const longestPath = 107;

/** How strict {@linkcode parseEndpoint} is. */
export interface EndpointRules {
  /**
   * The lowest allowed port. Listeners allow 0, which means any free port.
   *
   * @default {1}
   */
  readonly leastPort?: 0 | 1;
  /**
   * Whether a text is a valid host.
   *
   * @default {isPlainHost}
   */
  readonly isHost?: (host: string) => boolean;
}

/**
 * Parses a server specification: `inet:HOST:PORT`, `inet:[IPV6]:PORT`, `unix:PATH`
 * or `tls:HOST:PORT`. As in Postfix, an empty or missing host is
 * localhost, and white space (from continuation lines) may precede the port. Throws a
 * `RangeError` that says what is missing.
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
  rules: EndpointRules = {},
): Endpoint | NamedServiceEndpoint {
  const colon = specification.indexOf(":");
  const transport = specification.slice(0, Math.max(colon, 0));
  const address = specification.slice(colon + 1);
  if (transport === "") {
    throw new RangeError(`no transport in "${specification}": ${need}`);
  }
  if (address === "") {
    throw new RangeError(`nothing after "${transport}:"`);
  }
  if (transport === "tls") {
    return { ...parseInet(address, rules), tls: {} };
  }
  switch (transport) {
    case "inet":
      return parseInet(address, rules);
    case "unix":
    case "local":
      return parseUnix(address);
    default:
      throw new RangeError(`unknown transport "${transport}": ${need}`);
  }
}

const need = "need inet:HOST:PORT or unix:PATH";

function parseUnix(path: string): Endpoint {
  if (new TextEncoder().encode(path).length > longestPath) {
    throw new RangeError(
      `"${path}" is longer than the ${longestPath} bytes of a socket path`,
    );
  }
  return { transport: "unix", path };
}

function parseInet(
  address: string,
  { leastPort = 1, isHost = isPlainHost }: EndpointRules,
): TcpEndpoint | NamedServiceEndpoint {
  let hostname: string;
  let port: string;
  if (address.startsWith("[")) {
    const parts = /^\[(?:IPv6:)?([^\]]*)\](?::([^]*))?$/i.exec(address);
    if (parts === null) throw new RangeError("need [ADDRESS]:PORT");
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
  if (!isHost(hostname)) {
    throw new RangeError(`"${hostname}" is no host name or address`);
  }
  // The syntax of C's strtoul(), which Postfix's resolver uses.
  if (!/^[ \t-\r]*\+?\d+$/.test(port)) {
    return { transport: "tcp", hostname, service: port };
  }
  const number = Number(port);
  // Postfix would take the lower 16 bits of a larger number, and so another port.
  if (number < leastPort || number > 65535) {
    throw new RangeError(`port ${number} is not from ${leastPort} to 65535`);
  }
  return { transport: "tcp", hostname, port: number };
}

function isPlainHost(host: string): boolean {
  return !/^$|[^\x21-\x7e\u0080-\uffff]|[[\]/]/.test(host);
}

/**
 * Parses the server of a memcache table, and accepts only hosts to which Postfix can
 * connect. Throws a `RangeError` as `parseEndpoint` does, and for two servers.
 *
 * Implements "memcache" of memcache_table(5).
 */
export function parseServer(
  specification: string,
): Endpoint | NamedServiceEndpoint {
  if (several.test(specification)) {
    throw new RangeError(
      "this is more than one server: name one; for several, name a proxy " +
        "that knows them, such as twemproxy or mcrouter",
    );
  }
  const isHost = /^(?:inet|tls):\[IPv6:/i.test(specification)
    ? isIpv6
    : isPostfixHost;
  const endpoint = parseEndpoint(specification, { isHost });
  if ("service" in endpoint && /^\d/.test(endpoint.service)) {
    throw new RangeError(`"${endpoint.service}" is no port`);
  }
  if ("path" in endpoint && !isUtf8(endpoint.path)) {
    throw new RangeError(
      "its path is not UTF-8, and no runtime can connect to it",
    );
  }
  return endpoint;
}

// A second server after a port or a path.
const several =
  /[,;\s](?:inet|unix|local|tls):|:\s*\d+[,;\s]+(?:[^,;:\s][^:\s]*)?:/;

function isIpv6(host: string): boolean {
  return host.includes(":") && URL.canParse(`http://[${host}]`);
}

/** Postfix rejects names of digits only, and IPv4 addresses without four numbers. */
function isPostfixHost(host: string): boolean {
  if (host.includes(":")) return isIpv6(host);
  if (/^[\d.]+$/.test(host)) {
    return /^(?:0*(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(host);
  }
  return host.length <= longestHost && hostName.test(host);
}

const longestHost = 255;

const hostName =
  /^(?:(?!-)[\w\u0080-\ud7ff\ue000-\uffff-]{1,63}(?<!-)(?:\.(?!$)|$))+$/;

/** The specification of an endpoint. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.transport === "unix") return `unix:${endpoint.path}`;
  const { hostname, port, tls } = endpoint;
  return `${tls ? "tls" : "inet"}:${
    hostname.includes(":") ? `[${hostname}]` : hostname
  }:${port}`;
}

/**
 * Looks up the port of a service in the text of /etc/services. Throws a `RangeError`
 * when the service is not there.
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
    const { service: _, ...place } = endpoint;
    return { ...place, port: parseInt(port) };
  }
  throw new RangeError(
    `"${endpoint.service}" is no port number, and no TCP service of /etc/services`,
  );
}

/** The flags of Deno that allow a program to use `place`, the address of an endpoint. */
export function allowing(place: string, endpoint: Endpoint): string {
  const files = endpoint.transport === "unix"
    ? [`--allow-read=${endpoint.path}`, `--allow-write=${endpoint.path}`]
    : [];
  return shellWords(`--allow-net=${place}`, ...files);
}
