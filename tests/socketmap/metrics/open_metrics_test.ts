import {
  formatMetrics,
  type MetricFamily,
  metricsFormat,
} from "../../../lib/socketmap/metrics/open_metrics.ts";
import { assertEquals } from "../../support/assert.ts";

const families: MetricFamily[] = [
  {
    name: "requests",
    help: 'All "requests" of C:\\tables,\nby reply.',
    type: "counter",
    samples: [
      { labels: { table: "a", reply: "ok" }, value: 3 },
      { labels: { table: 'a "\\\n', reply: "perm" }, value: 0 },
    ],
  },
  { name: "none", help: "None.", type: "gauge", samples: [] },
  {
    name: "memory_bytes",
    help: "Memory.",
    type: "gauge",
    unit: "bytes",
    samples: [{ labels: {}, value: 1.5e7 }],
  },
  {
    name: "odd",
    help: "Odd numbers.",
    type: "gauge",
    samples: [Infinity, -Infinity, NaN, 1e-7, 1e21].map((value, at) => ({
      labels: { at: `${at}` },
      value,
    })),
  },
  {
    name: "lookup_seconds",
    help: "Times.",
    type: "histogram",
    unit: "seconds",
    limits: [0.005, 1],
    samples: [{ labels: { table: "a" }, counts: [2, 0, 1], sum: 7.25 }],
  },
];

const rest = `odd{at="0"} +Inf
odd{at="1"} -Inf
odd{at="2"} NaN
odd{at="3"} 1e-7
odd{at="4"} 1e+21
`;

const histogram = `lookup_seconds_bucket{table="a",le="0.005"} 2
lookup_seconds_bucket{table="a",le="1.0"} 2
lookup_seconds_bucket{table="a",le="+Inf"} 3
lookup_seconds_count{table="a"} 3
lookup_seconds_sum{table="a"} 7.25
`;

Deno.test("formatMetrics() writes OpenMetrics", () => {
  assertEquals(
    formatMetrics(families, "openmetrics"),
    String.raw`# TYPE requests counter
# HELP requests All \"requests\" of C:\\tables,\nby reply.
requests_total{table="a",reply="ok"} 3
requests_total{table="a \"\\\n",reply="perm"} 0
# TYPE memory_bytes gauge
# UNIT memory_bytes bytes
# HELP memory_bytes Memory.
memory_bytes 15000000
# TYPE odd gauge
# HELP odd Odd numbers.
${rest}# TYPE lookup_seconds histogram
# UNIT lookup_seconds seconds
# HELP lookup_seconds Times.
${histogram}# EOF
`,
  );
});

Deno.test("formatMetrics() writes the older format", () => {
  assertEquals(
    formatMetrics(families, "plain"),
    String.raw`# TYPE requests_total counter
# HELP requests_total All "requests" of C:\\tables,\nby reply.
requests_total{table="a",reply="ok"} 3
requests_total{table="a \"\\\n",reply="perm"} 0
# TYPE memory_bytes gauge
# HELP memory_bytes Memory.
memory_bytes 15000000
# TYPE odd gauge
# HELP odd Odd numbers.
${rest}# TYPE lookup_seconds histogram
# HELP lookup_seconds Times.
${histogram}`,
  );
});

Deno.test("metricsFormat() is the older one only for who takes nothing else", () => {
  const table: [string | undefined, string][] = [
    [undefined, "openmetrics"],
    ["", "openmetrics"],
    ["*/*", "openmetrics"],
    ["text/plain", "plain"],
    ["Text/Plain; version=0.0.4", "plain"],
    ["text/*", "plain"],
    ["text/plain, */*;q=0.1", "openmetrics"],
    ["text/plain, */*;q=0", "plain"],
    ["text/plain, application/openmetrics-text; q=0.000", "plain"],
    ["text/plain;q=0", "openmetrics"],
    ["text/html", "openmetrics"],
    ["application/json", "openmetrics"],
    [
      "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
      "openmetrics",
    ],
    [", ;;,", "openmetrics"],
  ];
  for (const [accept, format] of table) {
    assertEquals(metricsFormat(accept), format, accept);
  }
});
