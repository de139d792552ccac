import { utf8Text } from "../../bytes/text.ts";
import type { ReadAt } from "../../system/file_system.ts";

// Deno KV keeps its entries in a SQLite database. This file examines one without
// SQLite, in the format of https://www.sqlite.org/fileformat2.html, and changes
// nothing. To open it with Deno KV instead would create tables in the database of
// another program, and a damaged page would end the whole program.

/** The content of a file. */
export type FileContent =
  /** Nothing yet: Deno KV can use it. */
  | { readonly kind: "empty" }
  /**
   * The tables of Deno KV. Its changes go to a log beside the file, unless another
   * program turned the log off.
   */
  | { readonly kind: "kv"; readonly hasLog: boolean }
  /** A database of another program, with tables and views of these names. */
  | { readonly kind: "foreign"; readonly tables: readonly string[] }
  /** Not a SQLite database. */
  | { readonly kind: "unknown" }
  /** A database with missing or wrong bytes. */
  | { readonly kind: "damaged"; readonly flaw: string };

/** A database file and its log of changes. */
export interface SqliteFile {
  /** The length of the file in bytes. */
  readonly size: number;
  /** Reads from the file. */
  readonly read: ReadAt;
  /** The log (`-wal`), if it has changes that are not in the file yet. */
  readonly log?: Uint8Array;
}

const magic = utf8Text.encode("SQLite format 3\0");
const headerSize = 100;
// This much covers all that is examined in most databases of Deno KV.
const readAhead = 40960;
const tablesOfKv = [
  "migration_state",
  "data_version",
  "kv",
  "queue",
  "queue_running",
];

// Kinds of pages.
const innerIndex = 2;
const innerTable = 5;
const leafIndex = 10;
const leafTable = 13;

const decoder = new TextDecoder();

/** The bytes are not valid. */
class DamageError extends Error {}

/** Finds out the content of a file. Reads only some pages, even of a large file. */
export function contentOf(file: SqliteFile): FileContent {
  if (file.size === 0) return { kind: "empty" };
  const header = file.read(0, readAhead);
  const start = header.subarray(0, magic.length);
  if (start.some((byte, at) => byte !== magic[at])) return { kind: "unknown" };
  try {
    const database = new Database(file, header);
    const entries = database.schema();
    const tables = entries.filter(({ type }) =>
      type === "table" || type === "view"
    );
    const names = tables.map(({ name }) => name);
    const isKv = tables.some(({ type, name, sql }) =>
      type === "table" && name === "kv" && sql.includes("v_encoding")
    );
    if (!isKv) {
      // A new database: Deno KV creates this table first.
      const isNew = names.every((name) => name === "migration_state");
      if (isNew && !hasMark(header)) return { kind: "empty" };
      if (names.filter((name) => tablesOfKv.includes(name)).length > 1) {
        throw new DamageError("its list of tables is damaged");
      }
      return { kind: "foreign", tables: names };
    }
    // With a log, the file may have only some of the changes.
    if (file.log === undefined) database.checkPages(entries);
    return { kind: "kv", hasLog: header[18] === 2 };
  } catch (error) {
    // An offset that points out of its page.
    if (error instanceof RangeError) {
      return { kind: "damaged", flaw: "a page is damaged" };
    }
    if (!(error instanceof DamageError)) throw error;
    return { kind: "damaged", flaw: error.message };
  }
}

/**
 * Whether a header has a number that a program gave its database, its user_version or
 * application_id. Those of Deno KV have none.
 */
function hasMark(header: Uint8Array): boolean {
  const view = viewOf(header);
  return view.getUint32(60) !== 0 || view.getUint32(68) !== 0;
}

/** A table, view or index, and its first page. */
interface SchemaEntry {
  readonly type: string;
  readonly name: string;
  readonly page: number;
  readonly sql: string;
}

class Database {
  #file: SqliteFile;
  #start: Uint8Array;
  #pageSize: number;
  /** How many bytes of a page SQLite uses. */
  #usable: number;
  #pages: number;

  /** `header` has the header, and perhaps the bytes after it. */
  constructor(file: SqliteFile, header: Uint8Array) {
    this.#file = file;
    this.#start = header;
    if (header.length < headerSize) throw new DamageError("it is cut off");
    const view = viewOf(header);
    const written = view.getUint16(16);
    this.#pageSize = written === 1 ? 65536 : written;
    const size = this.#pageSize;
    if (size < 512 || (size & (size - 1)) !== 0) {
      throw new DamageError("its header is damaged");
    }
    this.#usable = size - header[20];
    this.#pages = Math.floor(file.size / size);
    // The number of pages is valid only if the last change wrote it.
    const pages = view.getUint32(24) === view.getUint32(92)
      ? view.getUint32(28)
      : 0;
    if (file.log === undefined && this.#pages < pages) {
      throw new DamageError(
        `it is cut off: it has ${file.size} of ${pages * size} bytes`,
      );
    }
  }

  /** All tables and indexes. */
  schema(): SchemaEntry[] {
    const entries: SchemaEntry[] = [];
    this.#readSchema(1, entries, 0);
    return entries;
  }

  #readSchema(number: number, entries: SchemaEntry[], depth: number): void {
    // So many tables belong to another program. It is enough to know some.
    if (depth > 3 || entries.length > 1000) return;
    const page = this.#page(number);
    if (page.kind === innerTable) {
      for (const at of page.cells) {
        this.#readSchema(page.view.getUint32(at), entries, depth + 1);
      }
      this.#readSchema(page.last!, entries, depth + 1);
      return;
    }
    if (page.kind !== leafTable) {
      throw new DamageError(`page ${number} is damaged`);
    }
    for (const at of page.cells) {
      const payload = readNumber(page.view, at);
      const row = readNumber(page.view, payload.end);
      const entry = schemaEntry(page.view, row.end, number);
      if (entry !== undefined) entries.push(entry);
    }
  }

  /**
   * Checks the pages that the background thread of Deno KV reads. If one is
   * damaged, Deno KV ends the whole program instead of an error.
   */
  checkPages(entries: readonly SchemaEntry[]): void {
    for (const { type, name, page } of entries) {
      if (page === 0) continue;
      const isIndex = type === "index" || name === "kv";
      const kinds = isIndex ? [innerIndex, leafIndex] : [innerTable, leafTable];
      // Only the first page of the table "kv" itself, which may have many.
      this.#checkLast(page, kinds, name === "kv" ? 1 : 20);
    }
  }

  /** Checks a page, and those below it on the path to the last entry. */
  #checkLast(number: number, kinds: readonly number[], maxDepth: number): void {
    let next: number | undefined = number;
    for (let depth = 0; next !== undefined && depth < maxDepth; depth++) {
      const page: Page = this.#page(next);
      if (!kinds.includes(page.kind)) {
        throw new DamageError(`page ${next} is damaged`);
      }
      if (page.kind !== leafTable) this.#checkCells(page, next);
      next = page.last;
    }
  }

  /** Checks that the keys of an index can be read. */
  #checkCells({ view, kind, cells }: Page, number: number): void {
    const inner = kind === innerIndex || kind === innerTable;
    for (const cell of cells) {
      const start = cell + (inner ? 4 : 0);
      if (kind === innerTable) {
        readNumber(view, start);
        continue;
      }
      const payload = readNumber(view, start);
      const header = readNumber(view, payload.end);
      if (header.value > payload.value || header.value < 1) {
        throw new DamageError(`page ${number} is damaged`);
      }
    }
  }

  #page(number: number): Page {
    const bytes = this.#readLog(number) ?? this.#read(number);
    if (bytes === undefined || bytes.length < this.#pageSize) {
      throw new DamageError(`page ${number} is missing`);
    }
    return readPage(bytes, number, this.#usable);
  }

  /** The version of the page in the file. */
  #read(number: number): Uint8Array | undefined {
    if (number < 1 || number > this.#pages) return undefined;
    const from = (number - 1) * this.#pageSize;
    const to = from + this.#pageSize;
    return to <= this.#start.length
      ? this.#start.subarray(from, to)
      : this.#file.read(from, this.#pageSize);
  }

  /** The newest version of the page in the log, if any. */
  #readLog(number: number): Uint8Array | undefined {
    const { log } = this.#file;
    if (log === undefined || log.length < 32) return undefined;
    const view = viewOf(log);
    const frame = 24 + this.#pageSize;
    let found: Uint8Array | undefined;
    for (let at = 32; at + frame <= log.length; at += frame) {
      // Frames with other salts are from before the last reset of the log.
      if (
        view.getUint32(at + 8) !== view.getUint32(16) ||
        view.getUint32(at + 12) !== view.getUint32(20)
      ) break;
      if (view.getUint32(at) !== number) continue;
      found = log.subarray(at + 24, at + frame);
    }
    return found;
  }
}

interface Page {
  readonly view: DataView;
  readonly kind: number;
  /** The offsets of its cells. */
  readonly cells: readonly number[];
  /** The page after its last cell; only an inner page has one. */
  readonly last: number | undefined;
}

function readPage(bytes: Uint8Array, number: number, usable: number): Page {
  const view = viewOf(bytes);
  const start = number === 1 ? headerSize : 0;
  const kind = bytes[start];
  const inner = kind === innerIndex || kind === innerTable;
  const count = view.getUint16(start + 3);
  const first = start + (inner ? 12 : 8);
  const end = first + count * 2;
  const isPage = [innerIndex, innerTable, leafIndex, leafTable].includes(kind);
  if (!isPage || end > usable) {
    throw new DamageError(`page ${number} is damaged`);
  }
  const cells: number[] = [];
  for (let at = first; at < end; at += 2) {
    const cell = view.getUint16(at);
    if (cell < end || cell > usable - 4) {
      throw new DamageError(`page ${number} is damaged`);
    }
    cells.push(cell);
  }
  const last = inner ? view.getUint32(start + 8) : undefined;
  return { view, kind, cells, last };
}

/** Reads a number of one to nine bytes; returns it and where it ends. */
function readNumber(
  view: DataView,
  at: number,
): { value: number; end: number } {
  let value = 0;
  for (let end = at; end < view.byteLength; end++) {
    const byte = view.getUint8(end);
    if (end === at + 8) return { value: value * 256 + byte, end: end + 1 };
    value = value * 128 + (byte & 127);
    if (byte < 128) return { value, end: end + 1 };
  }
  throw new DamageError("a page is damaged");
}

/** Reads the first columns of a record. A long one continues on another page. */
function schemaEntry(
  view: DataView,
  start: number,
  number: number,
): SchemaEntry | undefined {
  const header = readNumber(view, start);
  const types: number[] = [];
  let at = header.end;
  while (at < start + header.value) {
    const type = readNumber(view, at);
    types.push(type.value);
    at = type.end;
  }
  // type, name, tbl_name, rootpage, sql
  if (types.length < 5) throw new DamageError(`page ${number} is damaged`);
  at = start + header.value;
  const column = (index: number) => {
    let from = at;
    for (const type of types.slice(0, index)) from += lengthOf(type);
    return { from, to: from + lengthOf(types[index]) };
  };
  const text = (index: number) => {
    const { from, to } = column(index);
    const end = Math.min(to, view.byteLength);
    if (from > end) return "";
    const bytes = new Uint8Array(
      view.buffer,
      view.byteOffset + from,
      end - from,
    );
    return decoder.decode(bytes);
  };
  const root = column(3);
  if (root.to > view.byteLength) {
    throw new DamageError(`page ${number} is damaged`);
  }
  let page = 0;
  for (let byte = root.from; byte < root.to; byte++) {
    page = page * 256 + view.getUint8(byte);
  }
  if (types[3] === 9) page = 1;
  return { type: text(0), name: text(1), page, sql: text(4) };
}

/** The length in bytes of a column of that type. */
function lengthOf(type: number): number {
  if (type >= 12) return (type - (type % 2 === 0 ? 12 : 13)) / 2;
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0][type];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
