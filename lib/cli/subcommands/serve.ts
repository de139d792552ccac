import { systemClock } from "../../system/clock.ts";
import { WarningLimiter } from "../../socketmap/answers.ts";
import {
  openServedTable,
  type ServedTable,
  serveSocketmap,
  type SocketmapOptions,
  type SocketmapServer,
} from "../../socketmap/server.ts";
import { UsageError } from "../command_line.ts";
import { noFolding } from "../postmap_options.ts";
import type { Given, Subcommand } from "./subcommand.ts";
import { terminal } from "../terminal.ts";

/** `serve`: a socketmap_table(5) server. */
export const serve: Subcommand = {
  page: {
    usage: ["serve [options] --socketmap ENDPOINT NAME=type:name ..."],
    about: "Answers Postfix: serves tables over a socket, as " +
      "socketmap_table(5) has it. In main.cf they are socketmap:ENDPOINT:NAME. " +
      "A table whose files change is opened again. Runs until SIGTERM or " +
      "SIGINT, then answers what was asked, and ends.",
    notes: [
      "Limits: a request of more than 102,400 bytes is answered as not found; a reply",
      "has 100,000 bytes at most; what waits for clients takes 64 MB at most.",
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
      help: "inet:HOST:PORT (port 0: any that is free) or unix:PATH",
      words: ["listen", "socket", "endpoint"],
    },
    {
      name: "mode",
      argument: "MODE",
      help: "of the file of a UNIX-domain socket",
      default: "0666",
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
  const options = serverOptions(given);
  const names = namedTables(given);
  let server: SocketmapServer | undefined;
  let listens = false;
  let signals = 0;
  let leave = () => {};
  const left = new Promise<void>((resolve) => leave = resolve);
  const stop = () => {
    signals++;
    if (!listens) return leave();
    // The second signal is of somebody who does not want to wait.
    const isFirst = signals === 1;
    void server?.close({ drain: isFirst ? drain : 0 });
    systemClock.setTimer(isFirst ? longestEnd : shortestEnd, leave);
  };
  const serveTables = async () => {
    const tables = new Map<string, ServedTable>();
    try {
      for (const [name, table] of names) {
        tables.set(name, await open(given, name, table));
      }
      listens = true;
      server = await serveSocketmap(Object.fromEntries(tables), options);
      if (signals > 0) await server.close({ drain });
      else given.report.note(`listening on ${server.endpoint}`);
      await server.finished;
    } finally {
      await Promise.all([...tables.values()].map((table) => table.close()));
    }
  };
  const stopListening = terminal.onStop(stop);
  try {
    // What a table does not end by itself ends with the program.
    await Promise.race([serveTables(), left]);
  } finally {
    stopListening();
  }
  return 0;
}

function serverOptions(given: Given): SocketmapOptions {
  const endpoint = given.value("socketmap");
  if (endpoint === undefined) {
    throw new UsageError(
      "say where to listen: --socketmap inet:HOST:PORT or unix:PATH",
    );
  }
  return {
    endpoint,
    utf8: given.text.utf8,
    mode: fileMode(given, endpoint),
    idle: wholeNumber(given, "idle"),
    lookupTimeout: wholeNumber(given, "timeout"),
    clients: wholeNumber(given, "clients"),
    onWarning: given.report.warning,
  };
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
): Promise<ServedTable> {
  // Clients decide what is looked up, and how often.
  const warnings = new WarningLimiter(report.warning, systemClock);
  return await openServedTable(table, {
    ...tableOptions,
    fold: !flag("f"),
    onWarning: (message) => warnings.warn(name, message),
    onReload: (message) => report.note(`${name}: ${message}`),
  });
}

function wholeNumber({ value }: Given, option: string): number | undefined {
  const written = value(option);
  if (written === undefined || /^[1-9]\d{0,8}$/.test(written)) {
    return written === undefined ? undefined : Number(written);
  }
  throw new UsageError(`--${option} needs a whole number, from 1: ${written}`);
}

function fileMode({ value }: Given, endpoint: string): number | undefined {
  const written = value("mode");
  if (written === undefined) return undefined;
  if (endpoint.startsWith("inet:")) {
    throw new UsageError("--mode is for a socket that is a file, unix:PATH");
  }
  if (/^[0-7]{3,4}$/.test(written)) return parseInt(written, 8);
  throw new UsageError(`--mode needs an octal number, as 0660: ${written}`);
}
