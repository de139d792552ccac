import type { OpenOptions } from "../../table.ts";
import { partsOf, placeOf } from "./open_kv.ts";

/** What is to be known of the database of a `kv:` table without asking it. */
export interface KvInspection {
  /** Where it is: what the runtime does not tell is not asked. */
  readonly kind: "database" | "none yet" | "untold";
  /** Why this user cannot write it, or create it. */
  readonly notWritten?: string;
  /** Why another user may not be able to. */
  readonly doubt?: string;
}

/** Looks where the database of `kv:PATH` is, and who may use it. Opens nothing. */
export async function inspectKv(
  path: string,
  options: OpenOptions,
): Promise<KvInspection> {
  const { database } = partsOf(path);
  const { location, keepsFile, isByDeno, file } = await placeOf(
    database,
    options,
  );
  if (location.kind === "untold") {
    return { kind: isByDeno ? "untold" : "database" };
  }
  if (file === undefined) return { kind: "database" };
  if (keepsFile) {
    const notWritten = file.whyNotWritten();
    const kind = file.isThere() ? "database" : "none yet";
    return { kind, notWritten, doubt: file.doubtfulOwners() };
  }
  // What is handed in makes its own files: to ask it may create one.
  return { kind: file.state().file === "missing" ? "none yet" : "database" };
}
