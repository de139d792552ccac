import { systemClock, type Timer } from "../../system/clock.ts";
import { TemporaryError } from "../../errors.ts";
import { type ServerStats, statsReader } from "../../maintenance/stats.ts";
import { UsageError } from "../command_line.ts";
import { type Output, printable } from "../streams.ts";
import { json, oneTable, type Subcommand } from "./subcommand.ts";
import { terminal } from "../terminal.ts";

/** `stats`: figures of the memcached of a table. */
export const stats: Subcommand = {
  page: {
    usage: ["stats [options] memcache:name"],
    about:
      "Prints what the memcached of a table says of itself: hits, misses, " +
      "updates, items, memory, evictions, connections. These figures are of the " +
      "whole server since it was started, and of all tables in it.",
    notes: [
      "JSON has an object a line:",
      "  { table, server, version, uptime, hits, misses, hitRatio, sets, items,",
      "    bytes, limitBytes, evictions, connections, maxConnections }",
      "with null for what the server does not tell; with --watch also time, and",
      "rates { hits, misses, sets, evictions } a second, null at first; or, where",
      "the server fails, { table, time, error }",
    ],
    examples: ["memcache-table stats --watch memcache:/etc/postfix/aliases.cf"],
    exitStatus: "0 done, or watching was ended by a signal; 1 failed.",
  },
  options: [
    json,
    {
      name: "watch",
      help: "again and again, with changes a second; in place on a terminal, " +
        "else a block or a JSON line each time",
      detail: "A server that fails is asked again.",
    },
    {
      name: "interval",
      argument: "SECONDS",
      help: "between two looks of --watch, 0.1 to 86400",
      default: "2",
      words: ["every", "seconds"],
    },
  ],
  run: async (given) => {
    const { flag, value, output, tableOptions } = given;
    const name = oneTable("stats", given);
    const json = flag("j");
    const interval = readInterval(value("interval"), flag("watch"));
    if (!flag("watch")) {
      const read = await statsReader(name, tableOptions);
      const figures = await read();
      await output.write(json ? line(figures) : format(figures));
      await output.flush();
      return 0;
    }
    const ending = new AbortController();
    const { signal } = ending;
    const release = terminal.onStop(() => ending.abort());
    try {
      const read = await statsReader(name, { ...tableOptions, signal });
      const display = json
        ? "json"
        : terminal.isTerminal("output")
        ? "place"
        : "log";
      await watch({ name, read, interval, display, output, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      release();
    }
    return 0;
  },
};

function readInterval(written: string | undefined, watching: boolean): number {
  if (written === undefined) return 2000;
  if (!watching) throw new UsageError("--interval needs --watch");
  const seconds = Number(written);
  if (!/^\d*\.?\d+$/.test(written) || seconds < 0.1 || seconds > 86400) {
    throw new UsageError(
      `--interval ${written}: need seconds, from 0.1 to 86400`,
    );
  }
  return seconds * 1000;
}

const counted = ["hits", "misses", "sets", "evictions"] as const;

/** How much of each happened a second. */
type Rates = Record<typeof counted[number], number | null>;

interface Watching {
  readonly name: string;
  readonly read: () => Promise<ServerStats>;
  /** Milliseconds. */
  readonly interval: number;
  readonly display: "json" | "place" | "log";
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Looks again and again, until the signal ends it. */
async function watch(watching: Watching): Promise<void> {
  const { name, read, interval, display, output, signal } = watching;
  let last: { figures: ServerStats; at: number } | undefined;
  let due = systemClock.now();
  if (display === "place") await output.write("\x1b[2J");
  while (!signal.aborted) {
    const time = new Date();
    let text: string;
    try {
      const figures = await read();
      const at = systemClock.now();
      const rates = last === undefined
        ? undefined
        : ratesOf(last.figures, figures, (at - last.at) / 1000);
      last = { figures, at };
      text = display === "json"
        ? line({ ...figures, time, rates: rates ?? null })
        : format(figures, clockTime(time), rates);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TemporaryError)) throw error;
      // What happened in between is not known to be of one run of the server.
      last = undefined;
      text = display === "json"
        ? line({ table: name, time, error: error.message })
        : `${clockTime(time)}  ${printable(error.message)}\n`;
    }
    if (display === "place") text = inPlace(text);
    else if (display === "log") text += "\n";
    await output.write(text);
    await output.flush();
    due = Math.max(due + interval, systemClock.now());
    await pause(due - systemClock.now(), signal);
  }
}

/** From the top left, over what is there. */
function inPlace(text: string): string {
  return `\x1b[H${text.replaceAll("\n", "\x1b[K\n")}\x1b[J`;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let timer: Timer | undefined = undefined;
    const end = () => {
      timer?.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    if (signal.aborted) return resolve();
    timer = systemClock.setTimer(milliseconds, end);
    signal.addEventListener("abort", end);
  });
}

/** `undefined` where the server was started anew in between. */
function ratesOf(
  before: ServerStats,
  now: ServerStats,
  seconds: number,
): Rates | undefined {
  if ((now.uptime ?? 0) < (before.uptime ?? 0) || seconds <= 0) {
    return undefined;
  }
  const rates: Partial<Rates> = {};
  for (const name of counted) {
    const [from, to] = [before[name], now[name]];
    if (from !== null && to !== null && to < from) return undefined;
    rates[name] = from === null || to === null
      ? null
      : Math.round((to - from) / seconds * 10) / 10;
  }
  return rates as Rates;
}

function line(shown: unknown): string {
  return JSON.stringify(shown) + "\n";
}

function clockTime(time: Date): string {
  const parts = [time.getHours(), time.getMinutes(), time.getSeconds()];
  return parts.map((part) => `${part}`.padStart(2, "0")).join(":");
}

/** What is printed of figures, right-aligned. */
function format(figures: ServerStats, time?: string, rates?: Rates): string {
  const { version, server, uptime, hitRatio, bytes, limitBytes } = figures;
  const rate = (name: keyof Rates) =>
    rates === undefined || rates[name] === null
      ? ""
      : `${rates[name].toLocaleString("en-US")}/s`;
  const of = (limit: string) => limit === "" ? "" : `of ${limit}`;
  const rows: [string, string, string][] = [
    ["hits", number(figures.hits), rate("hits")],
    ["misses", number(figures.misses), rate("misses")],
    ["hit ratio", percent(hitRatio), ""],
    ["updates", number(figures.sets), rate("sets")],
    ["items", number(figures.items), ""],
    [
      "memory",
      size(bytes),
      limitBytes === null
        ? ""
        : of(size(limitBytes)) + (bytes === null || limitBytes === 0
          ? ""
          : `, ${percent(bytes / limitBytes)}`),
    ],
    ["evictions", number(figures.evictions), rate("evictions")],
    [
      "connections",
      number(figures.connections),
      of(figures.maxConnections === null ? "" : number(figures.maxConnections)),
    ],
  ];
  const head = `${time === undefined ? "" : `${time}  `}memcached ` +
    `${version ?? "of unknown version"} at ${server}` +
    (uptime === null ? "" : `, up ${duration(uptime)}`);
  const lines = rows.map(([name, figure, more]) =>
    `  ${name.padEnd(11)}  ${figure.padStart(15)}  ${more}`.trimEnd()
  );
  return [head, ...lines].map((line) => printable(line) + "\n").join("");
}

const unknown = "not told";

function number(figure: number | null): string {
  return figure === null ? unknown : figure.toLocaleString("en-US");
}

function percent(part: number | null): string {
  if (part === null) return "-";
  // 99.96 of 100 is not all.
  const rounded = Math.round(part * 1000) / 10;
  const shown = rounded === 100 && part < 1 ? 99.9 : rounded;
  return `${shown.toFixed(1)} %`;
}

function size(bytes: number | null): string {
  if (bytes === null) return unknown;
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let rest = bytes;
  for (; rest >= 1024 && unit < units.length - 1; unit++) rest /= 1024;
  return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit]}`;
}

function duration(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  const [hours, minutes, rest] = [
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ].map((part) => `${part}`.padStart(2, "0"));
  const time = `${hours}:${minutes}:${rest}`;
  return days === 0 ? time : `${days} day${days === 1 ? "" : "s"}, ${time}`;
}
