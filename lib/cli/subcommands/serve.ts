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
import type { Invocation, Subcommand } from "./subcommand.ts";
import { terminal } from "../terminal.ts";

/** `serve`: a socketmap_table(5) server. */
export const serve: Subcommand = {
  page: {
    usage: ["serve [options] --socketmap ENDPOINT NAME=type:name ..."],
    about:
      "Serves tables to Postfix with the socketmap_table(5) protocol. In " +
      "main.cf, a table is socketmap:ENDPOINT:NAME. Opens a table again when its " +
      "files change. Ends after SIGTERM or SIGINT, when it has answered all " +
      "pending requests.",
    notes: [
      "Limits: a request of more than 102,400 bytes is answered as not found; a reply",
      "has at most 100,000 bytes; pending requests and replies take at most 64 MB.",
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
      help: "inet:HOST:PORT (port 0: any free port) or unix:PATH",
      words: ["listen", "socket", "endpoint"],
    },
    {
      name: "mode",
      argument: "MODE",
      help: "file mode of a UNIX-domain socket",
      default: "0666",
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
  const options = serverOptions(invocation);
  const names = namedTables(invocation);
  let server: SocketmapServer | undefined;
  let listens = false;
  let signals = 0;
  let quit = () => {};
  const quitting = new Promise<void>((resolve) => quit = resolve);
  const stop = () => {
    signals++;
    if (!listens) return quit();
    // After a second signal, do not wait for pending requests.
    const isFirst = signals === 1;
    void server?.close({ drain: isFirst ? drain : 0 });
    systemClock.setTimer(isFirst ? endLimit : forcedEndLimit, quit);
  };
  const serveTables = async () => {
    const tables = new Map<string, ServedTable>();
    try {
      for (const [name, table] of names) {
        tables.set(name, await open(invocation, name, table));
      }
      listens = true;
      server = await serveSocketmap(Object.fromEntries(tables), options);
      if (signals > 0) await server.close({ drain });
      else invocation.report.note(`listening on ${server.endpoint}`);
      await server.finished;
    } finally {
      await Promise.all([...tables.values()].map((table) => table.close()));
    }
  };
  const stopListening = terminal.onStop(stop);
  try {
    // A table that hangs must not keep the program from ending.
    await Promise.race([serveTables(), quitting]);
  } finally {
    stopListening();
  }
  return 0;
}

function serverOptions(invocation: Invocation): SocketmapOptions {
  const endpoint = invocation.value("socketmap");
  if (endpoint === undefined) {
    throw new UsageError(
      "say where to listen: --socketmap inet:HOST:PORT or unix:PATH",
    );
  }
  return {
    endpoint,
    utf8: invocation.text.utf8,
    mode: fileMode(invocation, endpoint),
    idle: wholeNumber(invocation, "idle"),
    lookupTimeout: wholeNumber(invocation, "timeout"),
    clients: wholeNumber(invocation, "clients"),
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
): Promise<ServedTable> {
  // Clients can cause a warning with every lookup.
  const warnings = new WarningLimiter(report.warning, systemClock);
  return await openServedTable(table, {
    ...tableOptions,
    fold: !flag("f"),
    onWarning: (message) => warnings.warn(name, message),
    onReload: (message) => report.note(`${name}: ${message}`),
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

function fileMode({ value }: Invocation, endpoint: string): number | undefined {
  const written = value("mode");
  if (written === undefined) return undefined;
  if (endpoint.startsWith("inet:")) {
    throw new UsageError("--mode is for a socket that is a file, unix:PATH");
  }
  if (/^[0-7]{3,4}$/.test(written)) return parseInt(written, 8);
  throw new UsageError(`--mode needs an octal number, as 0660: ${written}`);
}
