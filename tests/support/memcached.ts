import { assertEquals } from "./assert.ts";
import { run } from "./processes.ts";

/** A port on which nobody listens at the moment. */
export function freePort(hostname = "127.0.0.1"): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}

/** A real memcached for one test. `await using` ends it. */
export class Memcached implements AsyncDisposable {
  /** Its address, as in a table's configuration. */
  readonly server: string;
  readonly address: Deno.ConnectOptions | Deno.UnixConnectOptions;
  #child: Deno.ChildProcess;
  #caCerts: string | undefined;

  private constructor(
    server: string,
    address: Deno.ConnectOptions | Deno.UnixConnectOptions,
    child: Deno.ChildProcess,
    caCerts?: string,
  ) {
    this.server = server;
    this.address = address;
    this.#child = child;
    this.#caCerts = caCerts;
  }

  /** Its process ID. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Starts one on a TCP port. */
  static tcp(
    port = freePort(),
    hostname = "127.0.0.1",
    more: string[] = [],
  ): Promise<Memcached> {
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    return Memcached.#start(
      `inet:${host}:${port}`,
      { hostname, port },
      ["-l", hostname, "-p", `${port}`, ...more],
    );
  }

  /**
   * Starts one with TLS, on 127.0.0.1. `cert` and `key` are paths, `caCerts` is the
   * text of the authority.
   */
  static tls(
    { cert, key, caCerts }: { cert: string; key: string; caCerts: string },
    port = freePort(),
    more: string[] = [],
  ): Promise<Memcached> {
    const hostname = "127.0.0.1";
    const ssl = ["-Z", "-o", `ssl_chain_cert=${cert},ssl_key=${key}`];
    return Memcached.#start(
      `tls:${hostname}:${port}`,
      { hostname, port },
      ["-l", hostname, "-p", `${port}`, ...ssl, ...more],
      caCerts,
    );
  }

  /** Starts one on a UNIX-domain socket. */
  static unix(path: string): Promise<Memcached> {
    return Memcached.#start(
      `unix:${path}`,
      { transport: "unix", path },
      ["-s", path, "-a", "0777"],
    );
  }

  /** Functions that start one on IPv4, on IPv6, and on a UNIX-domain socket. */
  static async everyWay(folder: string): Promise<(() => Promise<Memcached>)[]> {
    await Deno.chmod(folder, 0o777);
    return [
      () => Memcached.tcp(),
      () => Memcached.tcp(freePort("::1"), "::1"),
      () => Memcached.unix(`${folder}/mc.sock`),
    ];
  }

  static async #start(
    server: string,
    address: Deno.ConnectOptions | Deno.UnixConnectOptions,
    args: string[],
    caCerts?: string,
  ): Promise<Memcached> {
    const child = new Deno.Command("memcached", {
      args: ["-u", "nobody", "-U", "0", "-t", "1", ...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const memcached = new Memcached(server, address, child, caCerts);
    // It prints nothing when it is ready, so try to connect.
    for (let attempt = 0; attempt < 500; attempt++) {
      try {
        (await Deno.connect(address as Deno.ConnectOptions)).close();
        return memcached;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    await memcached[Symbol.asyncDispose]();
    throw new Error("memcached does not start");
  }

  #connect(): Promise<Deno.Conn> {
    if (this.#caCerts !== undefined) {
      const caCerts = [this.#caCerts];
      const address = this.address as Deno.ConnectOptions;
      return Deno.connectTls({ ...address, caCerts });
    }
    return "transport" in this.address && this.address.transport === "unix"
      ? Deno.connect(this.address)
      : Deno.connect(this.address as Deno.ConnectOptions);
  }

  /** Sends bytes. Returns the reply, which ends with `until`. */
  async talk(request: Uint8Array | string, until: string): Promise<string> {
    using connection = await this.#connect();
    const bytes = typeof request === "string"
      ? new TextEncoder().encode(request)
      : request;
    // Over TLS memcached (1.6.18) may not read the end of what is long until more comes.
    const first = this.#caCerts === undefined ? bytes.length : bytes.length - 1;
    for (let sent = 0; sent < bytes.length;) {
      const end = sent < first ? first : bytes.length;
      sent += await connection.write(bytes.subarray(sent, end));
    }
    const buffer = new Uint8Array(65536);
    let reply = "";
    while (!reply.endsWith(until)) {
      const length = await connection.read(buffer);
      if (length === null) throw new Error(`memcached closed after ${reply}`);
      for (const byte of buffer.subarray(0, length)) {
        reply += String.fromCharCode(byte);
      }
    }
    return reply;
  }

  /** Stores a value under a memcache key. */
  async set(key: string, value: string | Uint8Array): Promise<void> {
    const encoder = new TextEncoder();
    const data = typeof value === "string" ? encoder.encode(value) : value;
    const head = encoder.encode(`set ${key} 0 0 ${data.length}\r\n`);
    const request = new Uint8Array([...head, ...data, 13, 10]);
    await this.talk(request, "STORED\r\n");
  }

  /** The value of a memcache key as a byte string; `undefined` if there is none. */
  async get(key: string): Promise<string | undefined> {
    const reply = await this.talk(`get ${key}\r\n`, "END\r\n");
    const start = reply.indexOf("\r\n") + 2;
    return reply === "END\r\n"
      ? undefined
      : reply.slice(start, reply.length - "\r\nEND\r\n".length);
  }

  /** Waits until a key has a value: a lookup stores what it found in the background. */
  async until(key: string, value: string | undefined): Promise<void> {
    for (let look = 0; look < 500; look++) {
      if (await this.get(key) === value) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(await this.get(key), value, key);
  }

  async flush(): Promise<void> {
    await this.talk("flush_all\r\n", "OK\r\n");
  }

  /** Stops it with a signal and waits until it is gone. */
  async stop(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has already ended.
    }
    await this.#child.status;
  }

  /** Stops it, or continues it. It reads requests that were sent meanwhile later. */
  async signal(signal: "SIGSTOP" | "SIGCONT"): Promise<void> {
    await run("kill", [`-${signal}`, `${this.#child.pid}`]);
    // A thread may still answer after another one has stopped.
    while (signal === "SIGSTOP" && !await this.#isStopped()) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async #isStopped(): Promise<boolean> {
    const tasks = `/proc/${this.#child.pid}/task`;
    for await (const { name } of Deno.readDir(tasks)) {
      const stat = await Deno.readTextFile(`${tasks}/${name}/stat`);
      if (!/\) T /.test(stat)) return false;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
