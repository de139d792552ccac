import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { NodeSocket } from "../../lib/socket/node.ts";
import { connectTls } from "../../lib/socket/node_tls.ts";
import type { Connect, Socket, TcpEndpoint } from "../../lib/socket/socket.ts";
import type { MemcacheTableParameters } from "../../mod.ts";
import type { AutoClock } from "./auto_clock.ts";
import { Authority } from "./certificates.ts";
import { Folder } from "./folder.ts";
import type { OpenTransport, Transport } from "./transport.ts";

/** A real TLS connection to 127.0.0.1, with a certificate of its own authority. */
export async function overTls(): Promise<Transport> {
  await using folder = await Folder.make();
  const authority = await Authority.make(folder.path);
  const { cert, key } = await authority.sign("good", "IP:127.0.0.1");
  const [certText, keyText, caCerts] = await Promise.all(
    [cert, key, authority.cert].map((path) => Deno.readTextFile(path)),
  );
  const pem = { cert: certText, key: keyText, caCerts };
  return {
    quietTurns: 20,
    open: (behind, clock) => OverTls.start(pem, behind, clock),
  };
}

interface Pem {
  readonly cert: string;
  readonly key: string;
  readonly caCerts: string;
}

/**
 * A server of a test, in memory or not, behind a real TLS connection. The clock is
 * told of all that goes over it, so that no time passes meanwhile.
 */
class OverTls implements OpenTransport {
  readonly parameters: MemcacheTableParameters;
  #listener: tls.Server;
  #closed = Promise.withResolvers<void>();
  #behind: Connect;
  #clock: AutoClock;
  #refuses = false;
  #open = new Set<Socket>();
  #work = new Set<Promise<void>>();

  private constructor(
    listener: tls.Server,
    caCerts: string,
    behind: Connect,
    clock: AutoClock,
  ) {
    this.#listener = listener;
    this.#behind = behind;
    this.#clock = clock;
    const { port } = listener.address() as AddressInfo;
    const memcache = `tls:127.0.0.1:${port}`;
    this.parameters = { memcache, tls: { caCerts } };
    listener.on("close", () => this.#closed.resolve());
    listener.on("secureConnection", (connection) => {
      connection.setNoDelay(true);
      clock.touch();
      const work = this.#serve(new NodeSocket(connection));
      this.#work.add(work);
      void work.finally(() => this.#work.delete(work));
    });
  }

  static async start(
    { cert, key, caCerts }: Pem,
    behind: Connect,
    clock: AutoClock,
  ): Promise<OverTls> {
    const listener = tls.createServer({ cert, key });
    const listening = Promise.withResolvers<void>();
    listener.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    return new OverTls(listener, caCerts, behind, clock);
  }

  /** Connects as a table does by itself, and tells the clock of it. */
  readonly connect: Connect = async (endpoint, options) => {
    const clock = this.#clock;
    const touch = () => clock.touch();
    clock.held++;
    const socket = await connectTls(endpoint as TcpEndpoint, options)
      .finally(() => clock.held--);
    touch();
    return {
      read: () => socket.read().finally(touch),
      write: (data) => socket.write(data).finally(touch),
      close: () => socket.close(),
      setBusy: (busy) => socket.setBusy!(busy),
    };
  };

  refuse(): void {
    if (this.#refuses) return;
    this.#refuses = true;
    this.#listener.close();
  }

  async #serve(client: Socket): Promise<void> {
    this.#open.add(client);
    let server: Socket | undefined;
    try {
      server = await this.#behind({ transport: "unix", path: "" }, {});
      this.#open.add(server);
      await Promise.race([
        this.#forward(client, server),
        this.#forward(server, client),
      ]);
    } catch {
      // One of the two has gone, or the test ended.
    } finally {
      this.#close(client);
      if (server !== undefined) this.#close(server);
    }
  }

  async #forward(from: Socket, to: Socket): Promise<void> {
    for (;;) {
      const bytes = await from.read();
      this.#clock.touch();
      if (bytes === null) return;
      await to.write(bytes);
    }
  }

  #close(end: Socket): void {
    if (!this.#open.delete(end)) return;
    end.close();
    this.#clock.touch();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.refuse();
    for (const end of this.#open) this.#close(end);
    await Promise.all(this.#work);
    await this.#closed.promise;
  }
}
