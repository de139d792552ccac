import { ConfigError, NoAnswerError, reasonOf } from "../errors.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Endpoint } from "../socket/socket.ts";

/** The error for a server that cannot be connected to, with the cure. */
export function cannotConnect(
  table: string,
  endpoint: Endpoint,
  cause: unknown,
): Error {
  if (cause instanceof ConfigError) return cause;
  return new NoAnswerError(
    `${table}: cannot connect to memcached at ${formatEndpoint(endpoint)}` +
      `${hint(cause)}: ${reasonOf(cause)}`,
    { cause },
  );
}

function hint(cause: unknown): string {
  const { code, name } = cause as { code?: string; name?: string };
  if (code === "ECONNREFUSED" || name === "ConnectionRefused") {
    return " (is it running there?)";
  }
  // The second is what Deno says, without a code.
  return code === "ENOTFOUND" || /lookup address/.test(reasonOf(cause))
    ? " (unknown host)"
    : "";
}

/** How the answer of a server that expects TLS may begin. */
export const tlsAlert = 0x15;

/** The advice for a server that goes away at the first command; it may be empty. */
export function tlsHint(endpoint: Endpoint): string {
  return "port" in endpoint && !endpoint.tls
    ? ": does it expect TLS (memcache = tls:HOST:PORT)?"
    : "";
}

/** Whether an error of a socket says that the other side has reset the connection. */
export function wasReset(error: unknown): boolean {
  return /reset by peer|ECONNRESET/i.test(reasonOf(error));
}
