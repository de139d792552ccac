import { ByteBuffer } from "../../bytes/byte_buffer.ts";
import {
  type ByteStrings,
  countOf,
  lineStrings,
  stringAt,
} from "../../bytes/byte_strings.ts";
import type { Table } from "../../table.ts";
import { readChunks, type Reading } from "../input.ts";
import { formatEntry } from "../streams.ts";
import type { Session } from "../session.ts";

// Chunks of standard input whose keys are looked up at once.
const chunksAtOnce = 3;

const LF = 10;
const TAB = 9;

/** What the tables have for the keys of a chunk. */
interface Answer {
  /** The keys, as they were typed. */
  readonly lines: ByteStrings;
  /** The tables that were asked; each only for what those before it have not. */
  readonly asked: {
    readonly table: Table;
    readonly values: ByteStrings;
    readonly release?: () => void;
  }[];
  /** The keys before this one are answered; all, unless something failed. */
  end: number;
  failed?: { readonly error: unknown };
}

/** Memory that is used again and again: new pages cost more than what is put in. */
interface Spare {
  /** Chunks of input that are done with. */
  readonly input: Uint8Array[];
  /** Output that was written. */
  output: ByteBuffer | undefined;
}

/** `-q -`: keys from standard input. Returns the exit status. */
export async function lookupStandardInput(session: Session): Promise<number> {
  const { output, command } = session;
  if (command.tables.some((name) => name.startsWith("memcache:"))) {
    // The table needs it a moment later: it is loaded while that is opened.
    import("../../tables/memcache/lookups.ts").catch(() => undefined);
  }
  const underWay: Promise<Answer>[] = [];
  const spare: Spare = { input: [], output: undefined };
  const abort = new AbortController();
  let status = 1;
  const printNext = async () => {
    const answer = await underWay.shift()!;
    if (await print(session, answer, spare)) status = 0;
    if (answer.failed !== undefined) throw answer.failed.error;
    for (const { release } of answer.asked) release?.();
    spare.input.push(answer.lines.bytes);
  };
  // As with postmap, nothing is printed when a short run fails; but whoever types
  // keys one by one gets each answer.
  const printAll = async () => {
    while (underWay.length > 0) await printNext();
    await output.flush();
  };
  const reading: Reading = {
    onWait: printAll,
    // What it finds may be what those before it brought to memcached.
    onUnended: () => Promise.all(underWay),
    onMark: session.warnMark,
    spare: spare.input,
  };
  try {
    for await (const chunk of readChunks(reading)) {
      underWay.push(lookup(session, keysOf(chunk), abort.signal));
      if (underWay.length === chunksAtOnce) await printNext();
    }
    await printAll();
  } finally {
    // After a failure nobody wants the rest.
    if (underWay.length > 0) abort.abort("unwanted");
    await Promise.all(underWay);
  }
  return status;
}

/** Lines up to their first null byte, which is all that postmap sees of them. */
function keysOf(chunk: Uint8Array): ByteStrings {
  const lines = lineStrings(chunk);
  const { starts, ends } = lines;
  let nul = chunk.indexOf(0);
  for (let line = 0; nul >= 0 && line < starts.length; line++) {
    if (nul < starts[line]) nul = chunk.indexOf(0, starts[line]);
    if (nul >= 0 && nul < ends[line]) ends[line] = nul;
  }
  return lines;
}

/** Never rejects. */
async function lookup(
  session: Session,
  lines: ByteStrings,
  signal: AbortSignal,
): Promise<Answer> {
  const answer: Answer = { lines, asked: [], end: countOf(lines) };
  let missing = lines;
  for (const [number, name] of session.command.tables.entries()) {
    if (number > 0) missing = withoutFound(missing, answer);
    const first = missing.starts.findIndex((start) => start >= 0);
    if (first < 0) break;
    try {
      const table = await session.open(name, false);
      const { values, failed, release } = await table.lookupLines(
        missing,
        session.warnNotText,
        { signal },
      );
      answer.asked.push({ table, values, release });
      if (failed === undefined) continue;
      answer.end = failed.at;
      answer.failed = failed;
    } catch (error) {
      answer.end = first;
      answer.failed = { error };
    }
  }
  return answer;
}

/** The keys that the table which was asked last has not. */
function withoutFound(
  keys: ByteStrings,
  { asked, end }: Answer,
): ByteStrings {
  const { values } = asked.at(-1)!;
  const starts = keys.starts.map((start, at) =>
    at < end && values.starts[at] < 0 ? start : -1
  );
  return { ...keys, starts };
}

/** Prints what was found; whether that is anything. */
async function print(
  session: Session,
  answer: Answer,
  spare: Spare,
): Promise<boolean> {
  const { output, command } = session;
  const { lines, asked, end } = answer;
  let found = false;
  for (const { table, values } of asked) {
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
  const sources = asked.map(({ values }) => values);
  if (command.json) {
    await output.write(jsonLines(session, lines, sources, end));
    return true;
  }
  const printed = plainLines(lines, sources, end, spare.output);
  spare.output = undefined;
  if (await output.writeBytes(printed.view())) spare.output = printed;
  return true;
}

function textAt({ text }: Session, strings: ByteStrings, at: number): string {
  return text.decode(stringAt(strings, at)!)!;
}

/** `key TAB value` for each key that has one, in one piece. */
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
  // The bytes of a source are asked for once: those of a builder are made then.
  const cuts = sources.map(({ bytes, starts, ends }) => ({
    bytes,
    starts,
    ends,
  }));
  for (let at = 0; at < end; at++) {
    // By number: a million keys are no place for as many iterators.
    for (let cut = 0; cut < cuts.length; cut++) {
      const { bytes, starts, ends } = cuts[cut];
      if (starts[at] < 0) continue;
      printed.append(keys.bytes, keys.starts[at], keys.ends[at]);
      printed.appendByte(TAB);
      printed.append(bytes, starts[at], ends[at]);
      printed.appendByte(LF);
    }
  }
  return printed;
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
