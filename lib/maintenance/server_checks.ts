import { systemClock } from "../system/clock.ts";
import { NoAnswerError, TemporaryError } from "../errors.ts";
import {
  answersBinary,
  askServer,
  figuresOf,
  type ReportingServer,
} from "../memcached/server_report.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Endpoint } from "../socket/socket.ts";
import type { OpenOptions } from "../table.ts";
import type { MemcacheParameters } from "../tables/memcache/parameters.ts";
import { probe } from "./abilities.ts";
import { describe, type Findings } from "./findings.ts";
import type { MemcacheSource } from "./memcache_source.ts";
import { problem } from "./parameter_checks.ts";

/** The memcached of a table. */
export interface CheckedServer {
  /** Its address: `inet:HOST:PORT`, `tls:HOST:PORT` or `unix:PATH`. */
  readonly endpoint: string;
  /** Whether it answers. */
  readonly answers: boolean;
  /** Its version; `null` if it does not report one. */
  readonly version: string | null;
  /** Milliseconds from a request to its reply, on an open connection. */
  readonly roundTrip: number | null;
  /** The longest entry that it stores, in bytes; `null` if it does not report it. */
  readonly itemSizeMax: number | null;
}

/** Asks the server of a memcache table for its version and its limits. */
export async function checkServer(
  name: string,
  place: Endpoint,
  { source, connect: findConnect }: MemcacheSource,
  { timeout, data_size_limit }: MemcacheParameters,
  { clock, signal }: OpenOptions,
  findings: Findings,
): Promise<CheckedServer | undefined> {
  const connect = await findings.attempt(() => findConnect(place));
  if (connect === undefined) return undefined;
  const server = {
    table: name,
    endpoint: place,
    connect,
    timeout: timeout * 1000,
    clock,
    signal,
  };
  const answer = await askVersion(server, findings);
  const itemSizeMax = answer?.version ? await askItemSize(server) : null;
  if (itemSizeMax !== null && data_size_limit > itemSizeMax) {
    findings.add(problem(
      "warning",
      `${source.written("data_size_limit")} = ${data_size_limit}: ` +
        `the server stores at most ${itemSizeMax} bytes (its -I), key included`,
      source.setting("data_size_limit"),
    ));
  }
  return {
    endpoint: formatEndpoint(place),
    answers: answer !== undefined,
    version: answer?.version ?? null,
    roundTrip: answer?.roundTrip ?? null,
    itemSizeMax,
  };
}

/** Asks for the version. A proxy may answer only lookups: then it is `null`. */
async function askVersion(
  server: ReportingServer,
  findings: Findings,
): Promise<{ version: string | null; roundTrip: number } | undefined> {
  const clock = server.clock ?? systemClock;
  const timed = (question: "version" | `get ${string}`) =>
    askServer(server, async (ask) => {
      const start = clock.now();
      const [line] = await ask(question);
      const roundTrip = Math.round((clock.now() - start) * 1000) / 1000;
      return { line, roundTrip };
    });
  try {
    const { line, roundTrip } = await timed("version");
    return { version: line.slice("VERSION ".length), roundTrip };
  } catch (error) {
    const { message } = describe(error);
    try {
      const mayRetry = error instanceof TemporaryError &&
        !(error instanceof NoAnswerError);
      if (!mayRetry) throw error;
      const { roundTrip } = await timed(`get ${probe}`);
      findings.warn(message);
      return { version: null, roundTrip };
    } catch {
      findings.fail(error);
      if (await answersBinary(server)) {
        findings.fail(
          new TemporaryError(
            "it answers the binary protocol alone, as memcached -S (SASL) does, " +
              "which memcached gives up: start it with -Y FILE instead of -S, " +
              "and set user and password",
          ),
        );
      }
      return undefined;
    }
  }
}

async function askItemSize(server: ReportingServer): Promise<number | null> {
  try {
    const lines = await askServer(server, (ask) => ask("stats settings"));
    const size = figuresOf(lines).get("item_size_max") ?? "";
    return /^\d+$/.test(size) ? Number(size) : null;
  } catch (error) {
    // The size is only used for a warning, so a server need not report it.
    describe(error);
    return null;
  }
}
