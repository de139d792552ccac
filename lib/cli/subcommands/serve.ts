import { systemClock, type Timer } from "../../system/clock.ts";
import { Complaints } from "../../socketmap/answers.ts";
import {
  openServedTable,
  type ServedTable,
  serveSocketmap,
  type SocketmapOptions,
  type SocketmapServer,
} from "../../socketmap/server.ts";
import { openTable } from "../../open.ts";
import type { OpenOptions } from "../../table.ts";
import { UsageError } from "../command_line.ts";
import { noFolding } from "../postmap_options.ts";
import { goesToJournal } from "../journal.ts";
import { writePriorities } from "../streams.ts";
import type { Given, Subcommand } from "./subcommand.ts";
import { terminal } from "../terminal.ts";

/** `serve`: a socketmap_table(5) server. */
export const serve: Subcommand = {
  page: {
    usage: ["serve [options] --socketmap ENDPOINT NAME=type:name ..."],
    about:
      "Answers Postfix: serves tables over a socket (socketmap_table(5)), " +
      "in main.cf as socketmap:ENDPOINT:NAME. A table whose files change is " +
      "opened again; SIGHUP opens all. SIGTERM and SIGINT end it, after the " +
      "answers to what was asked.",
    notes: [
      "Limits: a request of more than 102,400 bytes is answered as not found; a reply",
      "has 100,000 bytes at most; what waits at an ENDPOINT takes 64 MB at most.",
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
      name: "mode",
      argument: "MODE",
      help: "of the file of a UNIX-domain socket",
      default: "0660",
    },
    {
      name: "idle",
      argument: "SECONDS",
      help: "before a silent client is disconnected",
      default: "100",
    },
    {
      name: "timeout",
      argument: "SECONDS",
      help: "that a lookup may take",
      default: "30",
      words: ["time-out"],
    },
    {
      name: "clients",
      argument: "N",
      help: "that may be there at once",
      default: "1000",
      words: ["max-clients", "connections"],
    },
    noFolding,
  ],
  run,
};

// After a signal it ends within ten seconds: those for the last answers, and in
// milliseconds, all together, and after a second signal.
const drain = 9;
const longestEnd = 9_700;
const shortestEnd = 500;

async function run(given: Given): Promise<number> {
  if (goesToJournal()) writePriorities();
  const options = serverOptions(given);
  const names = namedTables(given);
  const tables = new Map<string, ServedTable>();
  const servers: SocketmapServer[] = [];
  let listens = false;
  let signals = 0;
  let leave = () => {};
  const left = new Promise<void>((resolve) => leave = resolve);
  const stop = () => {
    signals++;
    if (!listens) return leave();
    // The second signal is of somebody who does not want to wait.
    const isFirst = signals === 1;
    for (const server of servers) {
      void server.close({ drain: isFirst ? drain : 0 });
    }
    systemClock.setTimer(isFirst ? longestEnd : shortestEnd, leave);
  };
  const serveTables = async () => {
    try {
      for (const [name, table] of names) {
        tables.set(name, await open(given, name, table, () => isReloading));
      }
      if (terminal.mayBeRefused?.()) {
        await Promise.all(
          [...names.values()].map((table) =>
            requirePermission(table, given.tableOptions)
          ),
        );
      }
      listens = true;
      for (const one of options) {
        servers.push(await serveSocketmap(Object.fromEntries(tables), one));
      }
      for (const server of servers) {
        if (signals > 0) void server.close({ drain });
        else given.report.note(`listening on ${server.endpoint}`);
      }
      await Promise.all(servers.map(({ finished }) => finished));
    } finally {
      await Promise.all(servers.map((server) => server.close({ drain: 0 })));
      await Promise.all([...tables.values()].map((table) => table.close()));
    }
  };
  let isReloading = false;
  let reloading = Promise.resolve();
  const reload = () => {
    reloading = reloading.then(async () => {
      if (signals > 0) return;
      isReloading = true;
      await reloadAll(given, tables);
      isReloading = false;
    });
  };
  const stopListening = terminal.onStop(stop);
  const stopReloading = terminal.onReload(reload);
  try {
    // What a table does not end by itself ends with the program.
    await Promise.race([serveTables(), left]);
  } finally {
    stopListening();
    stopReloading();
  }
  return 0;
}

/** Opens all tables again, and says which could not be. */
async function reloadAll(
  { report }: Given,
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

// An address that nobody has, and milliseconds that one lookup of it may take.
const nobody = "nobody@memcache-table.invalid";
const permissionPatience = 1000;

/**
 * Throws when the runtime lets the table not reach what it needs: no request
 * would be answered. What fails for another reason may be mended meanwhile.
 */
async function requirePermission(
  name: string,
  tableOptions: OpenOptions,
): Promise<void> {
  // One of its own: what it finds out is no outage of the table that is served.
  const table = await openTable(name, {
    ...tableOptions,
    onWarning: () => {},
  });
  let timer: Timer | undefined;
  const late = new Promise<void>((resolve) => {
    timer = systemClock.setTimer(permissionPatience, resolve);
  });
  const asking = table.lookup(nobody).then(() => {}, (error) => {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause.name === "NotCapable") throw error;
    }
  });
  try {
    await Promise.race([asking, late]);
  } finally {
    timer?.cancel();
    await table.close();
  }
}

function serverOptions(given: Given): SocketmapOptions[] {
  const endpoints = given.values("socketmap");
  if (endpoints.length === 0) {
    throw new UsageError(
      "say where to listen: --socketmap inet:HOST:PORT or unix:PATH",
    );
  }
  const mode = fileMode(given, endpoints);
  return endpoints.map((endpoint) => ({
    endpoint,
    utf8: given.text.utf8,
    mode,
    idle: wholeNumber(given, "idle"),
    lookupTimeout: wholeNumber(given, "timeout"),
    clients: wholeNumber(given, "clients"),
    onWarning: given.report.warning,
    onRecovery: (message: string) => given.report.note(message),
  }));
}

function namedTables({ operands }: Given): Map<string, string> {
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
  { flag, report, tableOptions }: Given,
  name: string,
  table: string,
  isReloading: () => boolean,
): Promise<ServedTable> {
  // Clients decide what is looked up, and how often.
  const complaints = new Complaints(report.warning, systemClock);
  return await openServedTable(table, {
    ...tableOptions,
    fold: !flag("f"),
    onWarning: (message) => complaints.warn(name, message),
    onRecovery: (message) => report.note(`${name}: ${message}`),
    onReload: (message) => {
      if (!isReloading()) report.note(`${name}: ${message}`);
    },
  });
}

function wholeNumber({ value }: Given, option: string): number | undefined {
  const written = value(option);
  if (written === undefined || /^[1-9]\d{0,8}$/.test(written)) {
    return written === undefined ? undefined : Number(written);
  }
  throw new UsageError(`--${option} needs a whole number, from 1: ${written}`);
}

function fileMode(
  { value }: Given,
  endpoints: readonly string[],
): number | undefined {
  const written = value("mode");
  if (written === undefined) return undefined;
  if (endpoints.every((endpoint) => endpoint.startsWith("inet:"))) {
    throw new UsageError("--mode is for a socket that is a file, unix:PATH");
  }
  if (/^[0-7]{3,4}$/.test(written)) return parseInt(written, 8);
  throw new UsageError(`--mode needs an octal number, as 0660: ${written}`);
}
