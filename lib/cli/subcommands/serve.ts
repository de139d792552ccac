import { systemClock, type Timer } from "../../system/clock.ts";
import { WarningLimiter } from "../../socketmap/answers.ts";
import { absentKey } from "../../socketmap/metrics/server.ts";
import {
  type MetricsOptions,
  type MetricsServer,
  openServedTable,
  type ServedTable,
  serveMetrics,
  serveSocketmap,
  SocketmapMetrics,
  type SocketmapOptions,
  type SocketmapServer,
} from "../../socketmap/server.ts";
import { openTable } from "../../open.ts";
import type { OpenOptions } from "../../table.ts";
import { UsageError } from "../command_line.ts";
import { noFolding } from "../postmap_options.ts";
import { goesToJournal } from "../journal.ts";
import { writePriorities } from "../streams.ts";
import type { Invocation, Subcommand } from "./subcommand.ts";
import { terminal } from "../terminal.ts";

/** `serve`: a socketmap_table(5) server. */
export const serve: Subcommand = {
  page: {
    usage: ["serve [options] --socketmap ENDPOINT NAME=type:name ..."],
    about: "Serves tables to Postfix by socketmap_table(5): " +
      "socketmap:ENDPOINT:NAME in main.cf. A file that changes opens its table " +
      "again, SIGHUP all; SIGTERM ends.",
    notes: [
      "Limits: 102,400 bytes a request, 100,000 a reply, 64 MB pending an ENDPOINT.",
    ],
    examples: [
      "memcache-table serve --socketmap inet:127.0.0.1:10027 \\",
      "    aliases=memcache:/etc/postfix/aliases.cf",
      "postmap -q alice@example.com socketmap:inet:127.0.0.1:10027:aliases",
    ],
    exitStatus: "0 ended by a signal, 1 failed.",
  },
  options: [
    {
      name: "socketmap",
      argument: "ENDPOINT",
      help: "inet:HOST:PORT (0: a free port), unix:PATH; may repeat",
      repeats: true,
      words: ["listen", "socket", "endpoint"],
    },
    {
      name: "metrics",
      argument: "ENDPOINT",
      help: "serve /metrics for Prometheus and /healthz, by HTTP",
      words: ["prometheus", "openmetrics", "health", "healthz"],
    },
    {
      name: "mode",
      argument: "MODE",
      help: "file mode of a UNIX-domain socket",
      default: "0660",
    },
    {
      name: "idle",
      argument: "SECONDS",
      help: "how long a client may be silent",
      default: "100",
    },
    {
      name: "timeout",
      argument: "SECONDS",
      help: "time limit of a lookup",
      default: "30",
      words: ["time-out"],
    },
    {
      name: "clients",
      argument: "N",
      help: "largest number of clients",
      default: "1000",
      words: ["max-clients", "connections"],
    },
    {
      name: "log-clients",
      help: "name the client of a bad request in its warning",
      words: ["log-peers", "peers"],
    },
    noFolding,
  ],
  run,
};

// After a signal the program ends within ten seconds: seconds for the pending
// requests, milliseconds in all, and milliseconds after a second signal.
const drain = 9;
const endLimit = 9_700;
const forcedEndLimit = 500;

async function run(invocation: Invocation): Promise<number> {
  if (goesToJournal()) writePriorities();
  const shown = metricsOptions(invocation);
  const metrics = shown?.metrics;
  const options = serverOptions(invocation, metrics);
  const names = namedTables(invocation);
  const tables = new Map<string, ServedTable>();
  const servers: SocketmapServer[] = [];
  let metricsServer: MetricsServer | undefined;
  let listens = false;
  let signals = 0;
  let quit = () => {};
  const quitting = new Promise<void>((resolve) => quit = resolve);
  const stop = () => {
    signals++;
    if (!listens) return quit();
    // After a second signal, do not wait for pending requests.
    const isFirst = signals === 1;
    for (const server of servers) {
      void server.close({ drain: isFirst ? drain : 0 });
    }
    void metricsServer?.close();
    systemClock.setTimer(isFirst ? endLimit : forcedEndLimit, quit);
  };
  const serveTables = async () => {
    try {
      for (const [name, table] of names) {
        tables.set(
          name,
          await open(invocation, name, table, () => isReloading, metrics),
        );
      }
      if (terminal.mayBeRefused?.()) {
        await Promise.all(
          [...names.values()].map((table) =>
            requirePermission(table, invocation.tableOptions)
          ),
        );
      }
      listens = true;
      for (const one of options) {
        servers.push(await serveSocketmap(Object.fromEntries(tables), one));
      }
      if (shown !== undefined) {
        metricsServer = await serveMetrics(Object.fromEntries(tables), shown);
        if (signals === 0) {
          invocation.report.note(`metrics on ${metricsServer.endpoint}`);
        }
      }
      for (const server of servers) {
        if (signals > 0) void server.close({ drain });
        else invocation.report.note(`listening on ${server.endpoint}`);
      }
      await Promise.all(servers.map(({ finished }) => finished));
    } finally {
      await Promise.all([
        ...servers.map((server) => server.close({ drain: 0 })),
        metricsServer?.close(),
      ]);
      await Promise.all([...tables.values()].map((table) => table.close()));
    }
  };
  let isReloading = false;
  let reloading = Promise.resolve();
  const reload = () => {
    reloading = reloading.then(async () => {
      if (signals > 0) return;
      isReloading = true;
      await reloadAll(invocation, tables);
      isReloading = false;
    });
  };
  const stopListening = terminal.onStop(stop);
  const stopReloading = terminal.onReload(reload);
  try {
    // A table that hangs must not keep the program from ending.
    await Promise.race([serveTables(), quitting]);
  } finally {
    stopListening();
    stopReloading();
  }
  return 0;
}

/** Opens all tables again, and says which could not be opened. */
async function reloadAll(
  { report }: Invocation,
  tables: ReadonlyMap<string, ServedTable>,
): Promise<void> {
  const opened: string[] = [];
  const kept: string[] = [];
  await Promise.all([...tables].map(async ([name, table]) => {
    (await table.reload({ anew: true }) ? opened : kept).push(name);
  }));
  if (opened.length > 0) report.note(`opened again: ${opened.join(", ")}`);
  if (kept.length > 0) {
    report.warning(`not opened again, and as before: ${kept.join(", ")}`);
  }
}

// How long a lookup may take, in milliseconds.
const permissionCheckTime = 1000;

/**
 * Throws if the runtime denies the table a permission that it needs: then no
 * request could be answered. Ignores other failures, which may be temporary.
 */
async function requirePermission(
  name: string,
  tableOptions: OpenOptions,
): Promise<void> {
  // A separate table, so that a failed lookup is no outage of the served table.
  const table = await openTable(name, {
    ...tableOptions,
    onWarning: () => {},
  });
  let timer: Timer | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = systemClock.setTimer(permissionCheckTime, resolve);
  });
  const lookup = table.lookup(absentKey).then(() => {}, (error) => {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause.name === "NotCapable") throw error;
    }
  });
  try {
    await Promise.race([lookup, timeout]);
  } finally {
    timer?.cancel();
    await table.close();
  }
}

function serverOptions(
  invocation: Invocation,
  metrics: SocketmapMetrics | undefined,
): SocketmapOptions[] {
  const endpoints = invocation.values("socketmap");
  if (endpoints.length === 0) {
    throw new UsageError(
      "say where to listen: --socketmap inet:HOST:PORT or unix:PATH",
    );
  }
  requireDifferentPlaces(invocation);
  const mode = fileMode(invocation);
  return endpoints.map((endpoint) => ({
    endpoint,
    utf8: invocation.text.utf8,
    mode,
    idle: wholeNumber(invocation, "idle"),
    lookupTimeout: wholeNumber(invocation, "timeout"),
    clients: wholeNumber(invocation, "clients"),
    logClients: invocation.flag("log-clients"),
    metrics,
    onWarning: invocation.report.warning,
    onRecovery: (message: string) => invocation.report.note(message),
  }));
}

/** Else the error would tell of another program, and that is this one. */
function requireDifferentPlaces({ value, values }: Invocation): void {
  const places = [...values("socketmap"), value("metrics") ?? ""];
  const twice = places.find((place, at) =>
    places.indexOf(place) < at && !place.endsWith(":0")
  );
  if (twice === undefined) return;
  throw new UsageError(
    `${twice} is given twice: --socketmap and --metrics need a place each`,
  );
}

/** What to do for `--metrics`; `undefined` if it was not given. */
function metricsOptions(invocation: Invocation): MetricsOptions | undefined {
  const endpoint = invocation.value("metrics");
  return endpoint === undefined ? undefined : {
    endpoint,
    metrics: new SocketmapMetrics(),
    lookupTimeout: wholeNumber(invocation, "timeout"),
    mode: fileMode(invocation),
    onWarning: invocation.report.warning,
  };
}

function namedTables({ operands }: Invocation): Map<string, string> {
  const names = new Map<string, string>();
  for (const operand of operands) {
    const equals = operand.indexOf("=");
    const name = operand.slice(0, Math.max(equals, 0));
    if (name === "" || name.includes(":")) {
      throw new UsageError(`need NAME=type:name instead of "${operand}"`);
    }
    if (names.has(name)) {
      throw new UsageError(`two tables are called "${name}"`);
    }
    names.set(name, operand.slice(equals + 1));
  }
  if (names.size === 0) {
    throw new UsageError("no table; say which: NAME=type:name");
  }
  return names;
}

async function open(
  { flag, report, tableOptions }: Invocation,
  name: string,
  table: string,
  isReloading: () => boolean,
  metrics: SocketmapMetrics | undefined,
): Promise<ServedTable> {
  // Clients can cause a warning with every lookup.
  const warnings = new WarningLimiter(report.warning, systemClock);
  return await openServedTable(table, {
    ...tableOptions,
    fold: !flag("f"),
    // No other type has events.
    onEvent: table.startsWith("memcache:")
      ? metrics?.eventsOf(name, table)
      : undefined,
    onWarning: (message) => warnings.warn(name, message),
    onRecovery: (message) => report.note(`${name}: ${message}`),
    onReload: (message) => {
      if (!isReloading()) report.note(`${name}: ${message}`);
    },
  });
}

function wholeNumber(
  { value }: Invocation,
  option: string,
): number | undefined {
  const written = value(option);
  if (written === undefined || /^[1-9]\d{0,8}$/.test(written)) {
    return written === undefined ? undefined : Number(written);
  }
  throw new UsageError(`--${option} needs a whole number, from 1: ${written}`);
}

function fileMode({ value, values }: Invocation): number | undefined {
  const written = value("mode");
  if (written === undefined) return undefined;
  const endpoints = [...values("socketmap"), value("metrics") ?? "inet:"];
  if (endpoints.every((endpoint) => endpoint.startsWith("inet:"))) {
    throw new UsageError("--mode is for a socket that is a file, unix:PATH");
  }
  if (/^[0-7]{3,4}$/.test(written)) return parseInt(written, 8);
  throw new UsageError(`--mode needs an octal number, as 0660: ${written}`);
}
