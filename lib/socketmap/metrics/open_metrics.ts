/** The labels of a sample: their names and values. */
export type Labels = Readonly<Record<string, string>>;

interface Family {
  /** The name, without the `_total` of a counter; it ends with the unit, if any. */
  readonly name: string;
  /** What it tells, in a sentence. */
  readonly help: string;
  /** The unit of the values. */
  readonly unit?: "seconds" | "bytes";
}

/** A metric whose samples are single numbers. */
export interface NumberFamily extends Family {
  readonly type: "counter" | "gauge";
  readonly samples: readonly {
    readonly labels: Labels;
    readonly value: number;
  }[];
}

/** A metric whose samples are histograms. */
export interface HistogramFamily extends Family {
  readonly type: "histogram";
  /** The largest value in each bucket but the last, which takes all others. */
  readonly limits: readonly number[];
  readonly samples: readonly {
    readonly labels: Labels;
    /** How many values are in each bucket. */
    readonly counts: readonly number[];
    /** The sum of all values. */
    readonly sum: number;
  }[];
}

/** A metric with all its samples. */
export type MetricFamily = NumberFamily | HistogramFamily;

/** OpenMetrics, or the older text format of Prometheus. */
export type MetricsFormat = "openmetrics" | "plain";

/** The media types of the formats. */
export const metricsTypes: Readonly<Record<MetricsFormat, string>> = {
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  plain: "text/plain; version=0.0.4; charset=utf-8",
};

/**
 * The format for a client with this Accept header: OpenMetrics, unless the client
 * takes only plain text.
 */
export function metricsFormat(accept: string | undefined): MetricsFormat {
  if (accept === undefined) return "openmetrics";
  const taken = accept.toLowerCase().split(",").map((range) =>
    range.split(";").map((part) => part.trim())
  ).filter(([, ...parameters]) =>
    !parameters.some((parameter) => /^q\s*=\s*0(\.0*)?$/.test(parameter))
  ).map(([range]) => range);
  const isTaken = (...ranges: string[]) =>
    ranges.some((range) => taken.includes(range));
  return isTaken("text/plain", "text/*") &&
      !isTaken("application/openmetrics-text", "application/*", "*/*")
    ? "plain"
    : "openmetrics";
}

/**
 * Writes metrics as text. A metric without samples is left out.
 *
 * Implements OpenMetrics 1.0, and the text format 0.0.4 of Prometheus.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatMetrics } from "./open_metrics.ts";
 *
 * const clients = {
 *   name: "clients",
 *   help: "Connected clients.",
 *   type: "gauge" as const,
 *   samples: [{ labels: { place: "unix:/a" }, value: 3 }],
 * };
 * assertEquals(
 *   formatMetrics([clients], "openmetrics"),
 *   "# TYPE clients gauge\n" +
 *     "# HELP clients Connected clients.\n" +
 *     'clients{place="unix:/a"} 3\n' +
 *     "# EOF\n",
 * );
 * ```
 */
export function formatMetrics(
  families: readonly MetricFamily[],
  format: MetricsFormat,
): string {
  const isOpen = format === "openmetrics";
  let text = "";
  for (const family of families) {
    const { name, type, help, unit, samples } = family;
    if (samples.length === 0) continue;
    // In the older format, the name of a counter is that of its samples.
    const named = type === "counter" && !isOpen ? `${name}_total` : name;
    text += `# TYPE ${named} ${type}\n`;
    if (isOpen && unit !== undefined) text += `# UNIT ${named} ${unit}\n`;
    text += `# HELP ${named} ${escapeHelp(help, isOpen)}\n`;
    text += family.type === "histogram"
      ? histogramLines(family)
      : numberLines(family);
  }
  return isOpen ? `${text}# EOF\n` : text;
}

function numberLines({ name, type, samples }: NumberFamily): string {
  const full = type === "counter" ? `${name}_total` : name;
  return samples.map(({ labels, value }) => line(full, labels, value)).join("");
}

function histogramLines({ name, limits, samples }: HistogramFamily): string {
  let text = "";
  for (const { labels, counts, sum } of samples) {
    let count = 0;
    for (const [at, own] of counts.entries()) {
      count += own;
      const le = at < limits.length ? floatText(limits[at]) : "+Inf";
      text += line(`${name}_bucket`, { ...labels, le }, count);
    }
    text += line(`${name}_count`, labels, count);
    text += line(`${name}_sum`, labels, sum);
  }
  return text;
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) =>
    `${label}="${escape(text).replaceAll('"', '\\"')}"`
  );
  const set = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  return `${name}${set} ${numberText(value)}\n`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeHelp(text: string, isOpen: boolean): string {
  const escaped = escape(text);
  return isOpen ? escaped.replaceAll('"', '\\"') : escaped;
}

/** As in a label `le`: the same in both formats, so that series go on. */
function floatText(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : `${value}`;
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : `${value}`;
}
