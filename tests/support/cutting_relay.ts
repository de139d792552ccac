import net from "node:net";

/** What becomes of a connection: its end, its reset, or silence. */
export type Cut = "CLOSE" | "RESET" | "HANG";

/**
 * A TCP relay that cuts off what a server sends, even in the middle of a TLS record,
 * which a server itself does not do.
 */
export class CuttingRelay implements AsyncDisposable {
  readonly port: number;
  connections = 0;
  /** Called after a cut. */
  onCut: ((how: Cut) => void) | undefined;
  #server: net.Server;
  #open = new Set<net.Socket>();
  #plan: { left: number; how: Cut } | undefined;

  private constructor(server: net.Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** A relay to a port of this machine. */
  static async start(to: number): Promise<CuttingRelay> {
    const server = net.createServer({ noDelay: true });
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    const { port } = server.address() as net.AddressInfo;
    const relay = new CuttingRelay(server, port);
    server.on("connection", (client) => relay.#pass(client, to));
    return relay;
  }

  /** The server may send so many bytes more; then its connection is cut, once. */
  cutAfter(bytes: number, how: Cut): void {
    this.#plan = { left: bytes, how };
  }

  /** Whether a cut is still to come. */
  get isArmed(): boolean {
    return this.#plan !== undefined;
  }

  #pass(client: net.Socket, to: number): void {
    this.connections++;
    if (this.#plan?.left === 0) {
      this.#track(client);
      return this.#cut(client, undefined);
    }
    const server = net.createConnection({
      host: "127.0.0.1",
      port: to,
      noDelay: true,
    });
    this.#track(client);
    this.#track(server);
    client.on("data", (bytes) => server.write(bytes));
    client.on("close", () => server.destroy());
    server.on("close", () => client.end());
    server.on("data", (bytes: Uint8Array) => {
      const plan = this.#plan;
      if (plan === undefined || bytes.length < plan.left) {
        if (plan !== undefined) plan.left -= bytes.length;
        client.write(bytes);
        return;
      }
      client.write(bytes.subarray(0, plan.left), () => {
        this.#cut(client, server);
      });
      server.pause();
    });
  }

  #cut(client: net.Socket, server: net.Socket | undefined): void {
    const { how } = this.#plan!;
    this.#plan = undefined;
    if (how !== "HANG") {
      if (how === "RESET") client.resetAndDestroy();
      else client.end();
      server?.destroy();
    }
    this.onCut?.(how);
  }

  #track(socket: net.Socket): void {
    this.#open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#open.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    for (const socket of this.#open) socket.destroy();
    await closed.promise;
  }
}
