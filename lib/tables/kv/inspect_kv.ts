import type { OpenOptions } from "../../table.ts";
import { findPlace, parseKvPath } from "./open_kv.ts";

/** What is known of the database of a `kv:` table without opening it. */
export interface KvInspection {
  /** Whether there is a database; `untold` where the runtime does not tell. */
  readonly kind: "database" | "none yet" | "untold";
  /** Why this user cannot write or create it. */
  readonly notWritten?: string;
  /** Why another user may be unable to do so, or what others can learn. */
  readonly doubt?: string;
  /** Its file, if it has one. */
  readonly file?: string;
}

/** Finds the database of `kv:PATH`, and who may use it. Opens nothing. */
export async function inspectKv(
  path: string,
  options: OpenOptions,
): Promise<KvInspection> {
  const { database } = parseKvPath(path);
  const { location, keepsFile, isByDeno, file } = await findPlace(
    database,
    options,
  );
  if (location.kind === "untold") {
    return { kind: isByDeno ? "untold" : "database" };
  }
  if (location.kind === "remote") {
    return { kind: "database", doubt: unencrypted(location.url) };
  }
  if (file === undefined) return { kind: "database" };
  if (keepsFile) {
    const notWritten = file.whyNotWritten();
    const kind = file.isThere() ? "database" : "none yet";
    const doubt = file.doubtfulOwners();
    return { kind, notWritten, doubt, file: file.path };
  }
  // The openKv option has its own files. Calling it may create one.
  return { kind: file.state().file === "missing" ? "none yet" : "database" };
}

/** A remark if what is sent to a database can be read on its way. */
function unencrypted(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname } = new URL(url);
  const isHere = /^(localhost|127\..*|\[::1\])$/.test(hostname);
  return protocol === "https:" || isHere
    ? undefined
    : `nothing is encrypted: whoever is on the way to ${hostname} can read the ` +
      `access token: use https:// outside a private network`;
}
