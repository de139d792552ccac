import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { freePort } from "./memcached.ts";

/** A TLS server that is no memcached, `openssl s_server`, with more arguments. */
export class OpensslServer implements AsyncDisposable {
  readonly port: number;
  #child: Deno.ChildProcess;

  private constructor(port: number, child: Deno.ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(args: readonly string[]): Promise<OpensslServer> {
    const port = freePort();
    const child = new Deno.Command("openssl", {
      args: ["s_server", "-accept", `${port}`, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const server = new OpensslServer(port, child);
    const reader = child.stdout.getReader();
    const decoder = new TextDecoder();
    // It says so when it listens.
    for (let said = ""; !said.includes("ACCEPT");) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`openssl s_server does not start: ${said}`);
      said += decoder.decode(value);
    }
    await reader.cancel();
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#child.stdin.close().catch(() => {});
  }
}

/** A TLS server of node:tls, which sends an alert before it closes. */
export class NodeTlsServer implements AsyncDisposable {
  readonly port: number;
  #server: tls.Server;

  private constructor(server: tls.Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(cert: string, key: string): Promise<NodeTlsServer> {
    const server = tls.createServer({
      cert: await Deno.readTextFile(cert),
      key: await Deno.readTextFile(key),
    });
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    return new NodeTlsServer(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    await closed.promise;
  }
}
