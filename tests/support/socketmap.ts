import { latin1, root } from "./processes.ts";

/** Bytes of a byte string. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A netstring, of a byte string. */
export function netstring(data: string): string {
  return `${data.length}:${data},`;
}

/** A client that says what it likes. Texts are byte strings. */
export class RawClient implements Disposable {
  readonly connection: Deno.TcpConn | Deno.UnixConn;
  #buffer = new Uint8Array(65536);
  #unread = "";
  #closed = false;

  constructor(connection: Deno.TcpConn | Deno.UnixConn) {
    this.connection = connection;
  }

  /** Connects to `inet:HOST:PORT` or `unix:PATH`. */
  static async connect(endpoint: string): Promise<RawClient> {
    if (endpoint.startsWith("unix:")) {
      const path = endpoint.slice("unix:".length);
      return new RawClient(await Deno.connect({ transport: "unix", path }));
    }
    const [, hostname, port] = endpoint.split(":");
    return new RawClient(await Deno.connect({ hostname, port: Number(port) }));
  }

  async send(text: string): Promise<void> {
    const bytes = bytesOf(text);
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.connection.write(bytes.subarray(sent));
    }
  }

  /** The data of the next reply; `undefined` at the end. */
  async reply(): Promise<string | undefined> {
    for (;;) {
      const size = /^(\d+):/.exec(this.#unread);
      if (size !== null) {
        const start = size[0].length;
        const end = start + Number(size[1]);
        if (this.#unread.length > end) {
          const data = this.#unread.slice(start, end);
          if (this.#unread[end] !== ",") throw new Error("no comma");
          this.#unread = this.#unread.slice(end + 1);
          return data;
        }
      }
      const length = await this.connection.read(this.#buffer);
      if (length === null) {
        if (this.#unread !== "") throw new Error(`half: ${this.#unread}`);
        return undefined;
      }
      this.#unread += latin1(this.#buffer.subarray(0, length));
    }
  }

  /** Asks for one thing. */
  async ask(request: string): Promise<string | undefined> {
    await this.send(netstring(request));
    return await this.reply();
  }

  /** Waits until the server is gone, in whatever way. */
  async ended(): Promise<void> {
    try {
      while (await this.connection.read(this.#buffer) !== null);
    } catch {
      // It was reset.
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.close();
  }
}

/** `serve`, run as a program of its own. */
export class Serving implements AsyncDisposable {
  /** Where it listens. */
  readonly endpoint: string;
  readonly #child: Deno.ChildProcess;
  #lines: string[];
  #ended: Promise<number>;

  private constructor(
    endpoint: string,
    child: Deno.ChildProcess,
    lines: string[],
    read: Promise<void>,
  ) {
    this.endpoint = endpoint;
    this.#child = child;
    this.#lines = lines;
    this.#ended = (async () => {
      const { code } = await child.status;
      await read;
      return code;
    })();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it said on standard error since it listens. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Starts it, and waits until it listens. */
  static async start(
    args: string[],
    { permissions = ["-A"], command }: {
      permissions?: string[];
      command?: string[];
    } = {},
  ): Promise<Serving> {
    const [program, ...first] = command ??
      [Deno.execPath(), "run", "--no-prompt", ...permissions, `${root}cli.ts`];
    const child = new Deno.Command(program, {
      args: [...first, "serve", ...args],
      cwd: root,
      stdin: "null",
      stdout: "inherit",
      stderr: "piped",
    }).spawn();
    const all: string[] = [];
    const lines: string[] = [];
    let read: Promise<void> = Promise.resolve();
    const endpoint = await new Promise<string | undefined>((resolve) => {
      read = (async () => {
        let listens = false;
        let rest = "";
        const decoder = new TextDecoder();
        for await (const chunk of child.stderr) {
          const parts = (rest + decoder.decode(chunk, { stream: true })).split(
            "\n",
          );
          rest = parts.pop()!;
          for (const line of parts) {
            all.push(line);
            const place = /^memcache-table: listening on (\S+)$/.exec(line)
              ?.[1];
            if (listens) lines.push(line);
            else if (place !== undefined) {
              listens = true;
              resolve(place);
            }
          }
        }
        resolve(undefined);
      })();
    });
    if (endpoint === undefined) {
      await read;
      await child.status;
      throw new Error(`it does not listen: ${all.join("\n")}`);
    }
    return new Serving(endpoint, child, lines, read);
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Its exit status, when it has ended. */
  ended(): Promise<number> {
    return this.#ended;
  }

  /** Ends it by a signal. Returns its exit status. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.kill(signal);
    return await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#ended;
  }
}
