// The messages of the data path of KV Connect, versions 1 to 3, by the schema that
// is published with the protocol: only what reads and writes need.
import {
  type FieldInfo,
  LongType,
  MessageType,
  type PartialFieldInfo,
  ScalarType,
} from "npm:@protobuf-ts/runtime@2.11.1";

/** A range of keys, with its first key and without its last. */
export interface ReadRange {
  start: Uint8Array;
  end: Uint8Array;
  limit: number;
  reverse: boolean;
}

/** A request to read ranges of one state of the database. */
export interface SnapshotRead {
  ranges: ReadRange[];
}

/** An entry, with the commit that wrote it. */
export interface WireEntry {
  key: Uint8Array;
  value: Uint8Array;
  encoding: number;
  versionstamp: Uint8Array;
}

/** The answer to SnapshotRead. */
export interface SnapshotReadOutput {
  ranges: { values: WireEntry[] }[];
  readDisabled: boolean;
  readIsStronglyConsistent: boolean;
  status: number;
}

/** The entry must have been written by that commit; by none, if that is empty. */
export interface Check {
  key: Uint8Array;
  versionstamp: Uint8Array;
}

/** A change of one entry. */
export interface Mutation {
  key: Uint8Array;
  value?: { data: Uint8Array; encoding: number };
  mutationType: number;
  expireAtMs: number;
}

/** A request to change entries, if all checks hold. */
export interface AtomicWrite {
  checks: Check[];
  mutations: Mutation[];
  enqueues: { payload: Uint8Array }[];
}

/** The answer to AtomicWrite. */
export interface AtomicWriteOutput {
  status: number;
  versionstamp: Uint8Array;
  failedChecks: number[];
}

export const mutationType = { set: 1, delete: 2, sum: 3, max: 4, min: 5 };
export const valueEncoding = { v8: 1, le64: 2, bytes: 3 };
export const readStatus = { success: 1, disabled: 2 };
export const writeStatus = { success: 1, checkFailure: 2, disabled: 5 };

type Field = PartialFieldInfo | FieldInfo;

function scalar(no: number, name: string, T: ScalarType): Field {
  return { no, name, kind: "scalar", T };
}

const bytes = (no: number, name: string) => scalar(no, name, ScalarType.BYTES);
const flag = (no: number, name: string) => scalar(no, name, ScalarType.BOOL);
const number = (no: number, name: string) => scalar(no, name, ScalarType.INT32);

function many<T extends object>(
  no: number,
  name: string,
  type: MessageType<T>,
): Field {
  return { no, name, kind: "message", repeat: 2, T: () => type };
}

const readRange = new MessageType<ReadRange>("ReadRange", [
  bytes(1, "start"),
  bytes(2, "end"),
  number(3, "limit"),
  flag(4, "reverse"),
]);

const wireEntry = new MessageType<WireEntry>("KvEntry", [
  bytes(1, "key"),
  bytes(2, "value"),
  number(3, "encoding"),
  bytes(4, "versionstamp"),
]);

const readRangeOutput = new MessageType<{ values: WireEntry[] }>(
  "ReadRangeOutput",
  [many(1, "values", wireEntry)],
);

const check = new MessageType<Check>("Check", [
  bytes(1, "key"),
  bytes(2, "versionstamp"),
]);

const kvValue = new MessageType<{ data: Uint8Array; encoding: number }>(
  "KvValue",
  [bytes(1, "data"), number(2, "encoding")],
);

const mutation = new MessageType<Mutation>("Mutation", [
  bytes(1, "key"),
  { no: 2, name: "value", kind: "message", T: () => kvValue },
  number(3, "mutation_type"),
  {
    no: 4,
    name: "expire_at_ms",
    kind: "scalar",
    T: ScalarType.INT64,
    L: LongType.NUMBER,
  },
  // sum_min, sum_max and sum_clamp: a client may send them without need.
  bytes(5, "sum_min"),
  bytes(6, "sum_max"),
  flag(7, "sum_clamp"),
]);

const enqueue = new MessageType<{ payload: Uint8Array }>("Enqueue", [
  bytes(1, "payload"),
]);

export const snapshotRead = new MessageType<SnapshotRead>("SnapshotRead", [
  many(1, "ranges", readRange),
]);

export const snapshotReadOutput = new MessageType<SnapshotReadOutput>(
  "SnapshotReadOutput",
  [
    many(1, "ranges", readRangeOutput),
    flag(2, "read_disabled"),
    flag(4, "read_is_strongly_consistent"),
    number(8, "status"),
  ],
);

export const atomicWrite = new MessageType<AtomicWrite>("AtomicWrite", [
  many(1, "checks", check),
  many(2, "mutations", mutation),
  many(3, "enqueues", enqueue),
]);

export const atomicWriteOutput = new MessageType<AtomicWriteOutput>(
  "AtomicWriteOutput",
  [
    number(1, "status"),
    bytes(2, "versionstamp"),
    {
      no: 4,
      name: "failed_checks",
      kind: "scalar",
      repeat: 1,
      T: ScalarType.UINT32,
    },
  ],
);
