import { ByteBuffer, copyBytes } from "../../bytes/byte_buffer.ts";
import {
  type ByteStrings,
  countOf,
  endsBeforeNull,
  lineStrings,
  stringAt,
} from "../../bytes/byte_strings.ts";
import type { Table } from "../../table.ts";
import { readChunks, type ReadOptions } from "../input.ts";
import { formatEntry } from "../streams.ts";
import type { Session } from "../session.ts";

// How many chunks of standard input are looked up at the same time.
const chunksAtOnce = 3;

const LF = 10;
const TAB = 9;

/** The values for the keys of a chunk of input. */
interface ChunkResult {
  /** The keys as they were read. */
  readonly lines: ByteStrings;
  /** The tables that were searched, each for the keys that were not found before. */
  readonly tables: {
    readonly table: Table;
    readonly values: ByteStrings;
    readonly release?: () => void;
  }[];
  /** How many keys were looked up: all, unless a table failed. */
  end: number;
  failed?: { readonly error: unknown };
}

/** Memory that is used again, because allocating it is slower than filling it. */
interface ReusableMemory {
  /** Chunks of input that are no longer needed. */
  readonly input: Uint8Array[];
  /** A buffer of output that was written. */
  output: ByteBuffer | undefined;
}

/** `-q -`: looks up the keys of standard input. Returns the exit status. */
export async function lookupStandardInput(session: Session): Promise<number> {
  return await lookupChunks(session, async function* (reading) {
    const { warnByteOrderMark: onByteOrderMark } = session;
    for await (const chunk of readChunks({ ...reading, onByteOrderMark })) {
      yield keysOf(chunk);
    }
  });
}

/**
 * Looks up keys that are read from standard input, some at a time. Returns the exit
 * status.
 */
export async function lookupChunks(
  session: Session,
  readKeys: (reading: ReadOptions) => AsyncIterable<ByteStrings>,
): Promise<number> {
  const { output, command } = session;
  if (command.tables.some((name) => name.startsWith("memcache:"))) {
    // The table will need this module, so load it while the table is opened.
    import("../../tables/memcache/lookups.ts").catch(() => undefined);
  }
  const pending: Promise<ChunkResult>[] = [];
  const reusable: ReusableMemory = { input: [], output: undefined };
  const abort = new AbortController();
  let status = 1;
  const printNext = async () => {
    const result = await pending.shift()!;
    if (await print(session, result, reusable)) status = 0;
    if (result.failed !== undefined) throw result.failed.error;
    for (const { release } of result.tables) release?.();
    reusable.input.push(result.lines.bytes);
  };
  // As in postmap, nothing is printed if a lookup of a short input fails. But a
  // user who types the keys gets each answer at once.
  const printAll = async () => {
    while (pending.length > 0) await printNext();
    await output.flush();
  };
  const reading: ReadOptions = {
    onWait: printAll,
    // The lookup must see what earlier lookups copied from a backup to memcached.
    onUnfinishedLine: () => Promise.all(pending),
    reusable: reusable.input,
  };
  try {
    for await (const keys of readKeys(reading)) {
      pending.push(lookup(session, keys, abort.signal));
      if (pending.length === chunksAtOnce) await printNext();
    }
    await printAll();
  } finally {
    // Some are left only after a failure; then they are no longer needed.
    if (pending.length > 0) abort.abort("unwanted");
    await Promise.all(pending);
  }
  return status;
}

/** The lines up to their first null byte: postmap ignores the rest. */
function keysOf(chunk: Uint8Array): ByteStrings {
  const lines = lineStrings(chunk);
  return { ...lines, ends: endsBeforeNull(lines) };
}

/** Looks the keys of a chunk up. Never rejects. */
async function lookup(
  session: Session,
  lines: ByteStrings,
  signal: AbortSignal,
): Promise<ChunkResult> {
  const result: ChunkResult = { lines, tables: [], end: countOf(lines) };
  let missing = lines;
  for (const [number, name] of session.command.tables.entries()) {
    if (number > 0) missing = stillMissing(missing, result);
    const first = missing.starts.findIndex((start) => start >= 0);
    if (first < 0) break;
    try {
      const table = await session.open(name, false);
      const { values, failed, release } = await table.lookupLines(
        missing,
        session.warnNotText,
        { signal },
      );
      result.tables.push({ table, values, release });
      if (failed === undefined) continue;
      result.end = failed.at;
      result.failed = failed;
    } catch (error) {
      result.end = first;
      result.failed = { error };
      break;
    }
  }
  return result;
}

/** The keys that the last table does not have. */
function stillMissing(
  keys: ByteStrings,
  { tables, end }: ChunkResult,
): ByteStrings {
  const { values } = tables.at(-1)!;
  const starts = keys.starts.map((start, at) =>
    at < end && values.starts[at] < 0 ? start : -1
  );
  // Not by a spread: it leaves out what is a getter.
  return { bytes: keys.bytes, starts, ends: keys.ends };
}

/** Prints what was found. Returns whether there was anything. */
async function print(
  session: Session,
  result: ChunkResult,
  reusable: ReusableMemory,
): Promise<boolean> {
  const { output, command } = session;
  const { lines, tables, end } = result;
  let found = false;
  for (const { table, values } of tables) {
    const { starts, ends } = values;
    for (let at = 0; at < end; at++) {
      if (starts[at] < 0) continue;
      found = true;
      if (starts[at] === ends[at]) {
        session.warnIfEmpty(table, textAt(session, lines, at), "");
      }
    }
  }
  if (!found) return false;
  const sources = tables.map(({ values }) => values);
  if (command.json) {
    await output.write(jsonLines(session, lines, sources, end));
    return true;
  }
  const printed = plainLines(lines, sources, end, reusable.output);
  reusable.output = undefined;
  if (await output.writeBytes(printed.view())) reusable.output = printed;
  return true;
}

function textAt({ text }: Session, strings: ByteStrings, at: number): string {
  return text.decode(stringAt(strings, at)!)!;
}

/** Formats `key TAB value` for each key that was found. */
function plainLines(
  keys: ByteStrings,
  sources: readonly ByteStrings[],
  end: number,
  old: ByteBuffer | undefined,
): ByteBuffer {
  let size = 0;
  for (const { starts, ends } of sources) {
    for (let at = 0; at < end; at++) {
      if (starts[at] < 0) continue;
      size += keys.ends[at] - keys.starts[at] + ends[at] - starts[at] + 2;
    }
  }
  const printed = new ByteBuffer(size, old);
  // Read `bytes` only once: for a ByteStringsBuilder it is a getter that costs time.
  const cuts = sources.map(({ bytes, starts, ends }) => ({
    bytes,
    starts,
    ends,
  }));
  for (let at = 0; at < end; at++) {
    // By index, because an iterator for each of a million keys is slow.
    for (let cut = 0; cut < cuts.length; cut++) {
      if (cuts[cut].starts[at] >= 0) appendLine(printed, keys, cuts[cut], at);
    }
  }
  return printed;
}

/** Adds `key TAB value`; there is room for it. */
function appendLine(
  printed: ByteBuffer,
  keys: ByteStrings,
  values: ByteStrings,
  at: number,
): void {
  const { bytes } = printed;
  const keyStart = keys.starts[at];
  const keyEnd = keys.ends[at];
  const start = values.starts[at];
  const end = values.ends[at];
  let to = printed.length;
  copyBytes(keys.bytes, keyStart, keyEnd, bytes, to);
  to += keyEnd - keyStart;
  bytes[to++] = TAB;
  copyBytes(values.bytes, start, end, bytes, to);
  to += end - start;
  bytes[to++] = LF;
  printed.length = to;
}

function jsonLines(
  session: Session,
  keys: ByteStrings,
  sources: readonly ByteStrings[],
  end: number,
): string {
  const entries: string[] = [];
  for (let at = 0; at < end; at++) {
    for (const values of sources) {
      if (values.starts[at] < 0) continue;
      const key = textAt(session, keys, at);
      entries.push(formatEntry(key, textAt(session, values, at), true));
    }
  }
  return entries.join("");
}
