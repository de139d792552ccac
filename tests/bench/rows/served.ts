import { Serving } from "../../support/serving.ts";
import type { Environment } from "../environment.ts";
import type { Row, Turn } from "../row.ts";
import { Worker } from "../worker.ts";
import { postmap, rate } from "./library.ts";

const script = new URL("../workers/clients.ts", import.meta.url).pathname;

function clients(
  { signal }: Environment,
  stack: AsyncDisposableStack,
  args: string[],
): Turn {
  const command = [Deno.execPath(), "run", "-A", script, ...args];
  return rate(stack.use(new Worker(command, signal)), "served");
}

function row(connections: number, atLeast: number): Row {
  return {
    name: `served-${connections}`,
    title: `serve, ${connections} connection${connections === 1 ? "" : "s"}`,
    unit: "k/s",
    note: "floor: bare gets at memcached",
    targets: [{ against: "floor", atLeast }],
    async contestants(environment, stack) {
      const { table, memcached } = await environment.server("tcp");
      const start = async (endpoint: string) => {
        const args = ["--socketmap", endpoint, `t=${table}`];
        const serving = stack.use(await Serving.start(args));
        return clients(environment, stack, [
          `${connections}`,
          serving.endpoint,
          "t",
        ]);
      };
      return {
        tcp: await start("inet:127.0.0.1:0"),
        unix: await start(
          `unix:${environment.folder.path}/serve-${connections}`,
        ),
        postmap: await postmap(environment, "tcp", []),
        floor: clients(environment, stack, [
          `${connections}`,
          memcached.server,
        ]),
      };
    },
  };
}

/**
 * Lookups through `serve`, on one connection and on many. Such a lookup uses two
 * sockets, but one of the floor only one.
 */
export const served: Row[] = [row(1, 0.25), row(10, 0.25), row(100, 0.5)];
