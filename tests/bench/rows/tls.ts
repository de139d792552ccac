import { commandOverTls } from "../npm_packages.ts";
import { type Row, tlsClient } from "../row.ts";
import { Worker } from "../worker.ts";
import { ours, rate } from "./library.ts";
import { lookUpAll } from "./whole_process.ts";

const script = new URL("../workers/npm.mjs", import.meta.url).pathname;

const note = "floor: the same without TLS";

/** A row of lookups over TLS, beside those without it. */
function row(
  kind: "sequential" | "bulk",
  about: Pick<Row, "name" | "title">,
): Row {
  return {
    ...about,
    unit: "k/s",
    note,
    targets: [{ against: "npm", atLeast: 1 }],
    async contestants(environment, stack) {
      const start = (command: string[]) =>
        rate(stack.use(new Worker(command, environment.signal)), kind);
      const { table, memcached } = await environment.server("tls");
      const plain = await environment.server("tcp");
      const packages = await environment.packages();
      return {
        tcp: start(ours(kind, table)),
        [tlsClient]: start([
          ...commandOverTls(packages),
          script,
          ...[kind, tlsClient, packages],
          ...memcached.server.split(":").slice(1),
          environment.authority,
        ]),
        floor: start(ours(kind, plain.table)),
      };
    },
  };
}

/** Lookups one after the other, over TLS. */
export const sequentialTls = row("sequential", {
  name: "sequential-tls",
  title: "lookup() after lookup(), TLS",
});

/** Many lookups in one call, over TLS. */
export const bulkTls = row("bulk", {
  name: "bulk-tls",
  title: "lookupMany() of 100,000 keys, TLS",
});

/** `-q -` over TLS, the whole process. */
export const wholeProcessTls: Row = {
  name: "whole-tls",
  title: "-q - of 100,000 keys, TLS",
  unit: "k/s",
  note,
  targets: [{ against: "floor", atLeast: 0.5 }],
  contestants: async (environment) => ({
    tcp: await lookUpAll(environment, "tls", await environment.cli(), "tls"),
    floor: await lookUpAll(
      environment,
      "plain",
      await environment.cli(),
      "tcp",
    ),
  }),
};
