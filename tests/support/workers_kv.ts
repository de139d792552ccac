import type { WorkersKvNamespace } from "../../lib/tables/kv/workers_kv.ts";
import { startMiniflare } from "./miniflare_process.ts";

/** Real Workers KV in memory: Cloudflare's miniflare in another process. */
export class WorkersKvServer implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #address: string;
  #left: number;

  private constructor(child: Deno.ChildProcess, port: string, count: number) {
    this.#child = child;
    this.#address = `http://127.0.0.1:${port}`;
    this.#left = count;
  }

  /** Starts it with `count` namespaces. */
  static async start(count: number): Promise<WorkersKvServer> {
    const { child, printed } = await startMiniflare("server.ts", [`${count}`]);
    return new WorkersKvServer(child, printed, count);
  }

  /** Returns a namespace that is empty. */
  empty(): WorkersKvNamespace {
    if (this.#left === 0) throw new Error("no namespace is left");
    const address = `${this.#address}/${--this.#left}`;
    const at = (key: string) => `${address}?key=${encodeURIComponent(key)}`;
    return {
      async get(key) {
        const response = await answered(at(key));
        const bytes = await response.arrayBuffer();
        return response.status === 404 ? null : bytes;
      },
      async put(key, value) {
        await (await answered(at(key), "PUT", value)).body?.cancel();
      },
      async delete(key) {
        await (await answered(at(key), "DELETE")).body?.cancel();
      },
      async list(options) {
        const body = JSON.stringify(options);
        return await (await answered(address, "POST", body)).json();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}

async function answered(
  url: string,
  method = "GET",
  body?: BodyInit,
): Promise<Response> {
  const response = await fetch(url, { method, body });
  if (response.status === 500) throw new Error(await response.text());
  return response;
}
