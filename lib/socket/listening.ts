import { ConfigError, reasonOf } from "../errors.ts";
import { formatEndpoint } from "./endpoint.ts";
import type { Endpoint } from "./socket.ts";

/** What an adapter can do about the file of a socket. */
export interface SocketFile {
  /** What there is of that name. */
  kind(): Promise<"nothing" | "socket" | "other">;
  /** Connects, and disconnects. Rejects when nobody listens. */
  tryOut(): Promise<void>;
  /** Removes it. */
  remove(): Promise<void>;
}

/**
 * Removes the socket file that a dead server left behind. Throws
 * {@linkcode ConfigError} when there is anything else.
 */
export async function makeWay(path: string, file: SocketFile): Promise<void> {
  switch (await file.kind()) {
    case "nothing":
      return;
    case "other":
      throw new ConfigError(
        `unix:${path}: there is something that is no socket: ` +
          `move it away, or listen elsewhere`,
      );
  }
  try {
    await file.tryOut();
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return;
    if (code === "ECONNREFUSED") return await file.remove();
    // One whose queue is full is served too.
    if (code !== "EAGAIN") throw error;
  }
  throw new ConfigError(
    `unix:${path} is already served: stop that server, or listen elsewhere`,
  );
}

/** What a person must change, so that one can listen. */
export function cannotListen(endpoint: Endpoint, cause: unknown): Error {
  if (cause instanceof ConfigError) return cause;
  const place = formatEndpoint(endpoint);
  const reason = explain(endpoint, cause);
  return new ConfigError(`cannot listen on ${place}: ${reason}`, { cause });
}

function explain({ transport }: Endpoint, cause: unknown): string {
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return "another program listens there: stop it, or listen elsewhere";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    case "ENOENT":
    case "ENOTDIR":
      return "there is no such directory: make it first";
    case "EACCES":
    case "EPERM":
      // To Node a directory that is not there is one that may not be written.
      return transport === "unix"
        ? "there is no such directory, or it does not let you write"
        : "you may not: ports below 1024 are root's";
    default:
      return reasonOf(cause);
  }
}

/** The system's name of an error. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
