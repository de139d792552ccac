import { systemClock, type Timer } from "../../system/clock.ts";
import { TemporaryError } from "../../errors.ts";
import { type ServerStats, statsReader } from "../../maintenance/stats.ts";
import { UsageError } from "../command_line.ts";
import { type Output, printable } from "../streams.ts";
import { json, oneTable, type Subcommand } from "./subcommand.ts";
import { terminal } from "../terminal.ts";

/** `stats`: prints the statistics of a table's memcached. */
export const stats: Subcommand = {
  page: {
    usage: ["stats [options] memcache:name"],
    about:
      "Prints the statistics of a table's memcached: hits, misses, updates, " +
      "items, memory, evictions, connections. They are for the whole server, with " +
      "all tables in it, since it was started.",
    notes: [
      "With -j, the output is one line, a JSON object:",
      "  { table, server, version, uptime, hits, misses, hitRatio, sets, items,",
      "    bytes, limitBytes, evictions, connections, maxConnections }",
      "A value is null if the server does not report it. With --watch, there are",
      "also time and rates { hits, misses, sets, evictions } per second, null at",
      "first. If the server fails, the line is { table, time, error }.",
    ],
    examples: ["memcache-table stats --watch memcache:/etc/postfix/aliases.cf"],
    exitStatus: "0 done, or --watch was ended by a signal; 1 failed.",
  },
  options: [
    json,
    {
      name: "watch",
      help: "repeat, with rates per second; redraw a terminal",
      detail: "If the server fails, it is asked again.",
    },
    {
      name: "interval",
      argument: "SECONDS",
      help: "time between two updates of --watch, 0.1 to 86400",
      default: "2",
      words: ["every", "seconds"],
    },
  ],
  run: async (invocation) => {
    const { flag, value, output, tableOptions } = invocation;
    const name = oneTable("stats", invocation);
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

const ratedCounters = ["hits", "misses", "sets", "evictions"] as const;

/** The changes per second; `null` if the server does not report a counter. */
type Rates = Record<typeof ratedCounters[number], number | null>;

interface WatchOptions {
  readonly name: string;
  readonly read: () => Promise<ServerStats>;
  /** Milliseconds. */
  readonly interval: number;
  readonly display: "json" | "place" | "log";
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Prints the statistics repeatedly until the signal is aborted. */
async function watch(watching: WatchOptions): Promise<void> {
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
      // The server may have restarted since, so there is nothing to compare with.
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

/** Draws a text from the top left of the screen, over the old one. */
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

/** The changes per second; `undefined` if the server was restarted. */
function ratesOf(
  before: ServerStats,
  now: ServerStats,
  seconds: number,
): Rates | undefined {
  if ((now.uptime ?? 0) < (before.uptime ?? 0) || seconds <= 0) {
    return undefined;
  }
  const rates: Partial<Rates> = {};
  for (const name of ratedCounters) {
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

/** Formats the statistics for a person. */
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
  // 99.96 % must not become 100 %.
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
