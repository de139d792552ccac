import { ConfigError } from "../errors.ts";
import { DenoSocket } from "./deno.ts";
import { formatEndpoint } from "./endpoint.ts";
import { cannotListen, makeWay } from "./listening.ts";
import type {
  Endpoint,
  Listener,
  Socket,
  TcpEndpoint,
  UnixEndpoint,
} from "./socket.ts";

// Clients may be many, and what they send at once is short.
const bufferSize = 16384;

type AnyListener = Deno.Listener<Deno.TcpConn> | Deno.UnixListener;

class DenoListener implements Listener {
  readonly endpoint: Endpoint;
  #listener: AnyListener;
  #closed = false;

  constructor(endpoint: Endpoint, listener: AnyListener) {
    this.endpoint = endpoint;
    this.#listener = listener;
  }

  async accept(): Promise<Socket | null> {
    if (this.#closed) return null;
    try {
      return new DenoSocket(await this.#listener.accept(), bufferSize);
    } catch (error) {
      if (this.#closed) return null;
      throw error;
    }
  }

  /** Deno removes the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }
}

/**
 * Listens with `Deno.listen`. Needs `--allow-net=HOST:PORT`, for a UNIX-domain
 * socket `--allow-net=unix:PATH` with `--allow-read=PATH` and
 * `--allow-write=PATH`. Throws {@linkcode ConfigError}, with the cure.
 */
export async function listenDeno(
  endpoint: Endpoint,
  { mode }: { mode?: number },
): Promise<Listener> {
  try {
    return endpoint.transport === "unix"
      ? await listenUnix(endpoint, mode)
      : listenTcp(endpoint);
  } catch (error) {
    throw error instanceof Deno.errors.NotCapable
      ? notCapable(endpoint, error)
      : cannotListen(endpoint, error);
  }
}

function listenTcp({ transport, hostname, port }: TcpEndpoint): Listener {
  const listener = Deno.listen({ hostname, port });
  const actual = { transport, hostname, port: listener.addr.port };
  return new DenoListener(actual, listener);
}

async function listenUnix(
  endpoint: UnixEndpoint,
  mode: number | undefined,
): Promise<Listener> {
  const { transport, path } = endpoint;
  await makeWay(path, {
    kind: async () => {
      try {
        return (await Deno.lstat(path)).isSocket ? "socket" : "other";
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return "nothing";
        throw error;
      }
    },
    tryOut: async () => (await Deno.connect({ transport, path })).close(),
    remove: () => Deno.remove(path),
  });
  const listener = Deno.listen({ transport, path });
  try {
    if (mode !== undefined) await Deno.chmod(path, mode);
  } catch (error) {
    listener.close();
    throw error;
  }
  return new DenoListener(endpoint, listener);
}

function notCapable(endpoint: Endpoint, cause: unknown): ConfigError {
  const place = formatEndpoint(endpoint);
  const flags = endpoint.transport === "unix"
    ? `--allow-net=${place} --allow-read=${endpoint.path} --allow-write=${endpoint.path}`
    : `--allow-net=${place.replace(/^inet:/, "")}`;
  return new ConfigError(
    `no permission to listen on ${place}: run Deno with ${flags}`,
    { cause },
  );
}
