import { Folder } from "./folder.ts";
import { freePort } from "./memcached.ts";

/** A sample of a query: its labels and its value. */
export interface QueriedSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

/** A real Prometheus that reads the metrics of one server. */
export class Prometheus implements AsyncDisposable {
  #place: string;
  #child: Deno.ChildProcess;
  #folder: Folder;

  private constructor(
    place: string,
    child: Deno.ChildProcess,
    folder: Folder,
  ) {
    this.#place = place;
    this.#child = child;
    this.#folder = folder;
  }

  /** Starts one that reads from `http://HOST:PORT` several times a second. */
  static async start(metrics: string): Promise<Prometheus> {
    const folder = await Folder.make();
    const listen = `127.0.0.1:${freePort()}`;
    const configuration = await folder.write(
      "prometheus.yml",
      [
        "global: { scrape_interval: 200ms, scrape_timeout: 200ms }",
        "scrape_configs:",
        "  - job_name: serve",
        `    static_configs: [{ targets: ["${new URL(metrics).host}"] }]`,
        "",
      ].join("\n"),
    );
    const child = new Deno.Command("prometheus", {
      args: [
        `--config.file=${configuration}`,
        `--storage.tsdb.path=${folder.path}/data`,
        `--web.listen-address=${listen}`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return new Prometheus(`http://${listen}/api/v1`, child, folder);
  }

  /** Waits until a question to its API has an answer that is wanted. */
  async #until<T>(path: string, isWanted: (data: T) => boolean): Promise<T> {
    let last: unknown;
    for (let attempt = 0; attempt < 600; attempt++) {
      try {
        const response = await fetch(`${this.#place}/${path}`);
        const { data } = await response.json() as { data: T };
        if (isWanted(data)) return data;
        last = data;
      } catch (error) {
        // It does not listen yet.
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not what was expected: ${JSON.stringify(last)}`);
  }

  /** Waits until it has read the metrics. */
  async untilUp(): Promise<void> {
    type Targets = { activeTargets: { health: string; lastError: string }[] };
    await this.#until<Targets>(
      "targets",
      ({ activeTargets }) => activeTargets[0]?.health === "up",
    );
  }

  /** Waits until a query has this value. */
  async untilValue(query: string, value: number): Promise<void> {
    type Result = { result: QueriedSample[] };
    await this.#until<Result>(
      `query?query=${encodeURIComponent(query)}`,
      ({ result }) => Number(result[0]?.value[1]) === value,
    );
  }

  /** The names of all metrics that it has. */
  async names(): Promise<string[]> {
    return await this.#until<string[]>("label/__name__/values", () => true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has already ended.
    }
    await this.#child.status;
    await this.#folder[Symbol.asyncDispose]();
  }
}
