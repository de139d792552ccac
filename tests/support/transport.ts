import type { Connect } from "../../lib/socket/socket.ts";
import type { MemcacheTableParameters } from "../../mod.ts";
import type { AutoClock } from "./auto_clock.ts";

/** A way to a server in memory that is not in memory itself. */
export interface Transport {
  /** As the parameter of an {@linkcode AutoClock}: so long may bytes be on their way. */
  readonly quietTurns: number;
  /** Puts itself before a server. */
  open(behind: Connect, clock: AutoClock): Promise<OpenTransport>;
}

export interface OpenTransport extends AsyncDisposable {
  /** How a table connects. */
  readonly connect: Connect;
  /** What a table must know. */
  readonly parameters: MemcacheTableParameters;
  /** Accepts no more connections. */
  refuse(): void;
}
