import { shellWords } from "../bytes/shell_words.ts";
import { ConfigError } from "../errors.ts";
import type { Endpoint } from "../socket/socket.ts";
import { everybodyMayRead } from "../system/files.ts";
import type { HostPlace } from "../system/hosts.ts";
import { passwordFile } from "../tables/memcache/log_in.ts";
import {
  accessNames,
  type ParameterSource,
  readAccess,
} from "../tables/memcache/parameters.ts";
import { type Problem, problem } from "./parameter_checks.ts";

/** What decides over the access to a server. */
export interface CheckedAccess {
  readonly source: ParameterSource;
  readonly endpoint: Endpoint;
  /** Where the server is, as far as nothing is encrypted on the way. */
  readonly place: HostPlace;
  /** Whether main.cf or master.cf names the table. */
  readonly isNamed: boolean;
  /** Whether the files are those of this machine. */
  readonly mayLook: boolean;
}

/**
 * Finds what Postfix itself cannot do with the TLS and the log-in of a table, and what
 * others could read or change.
 */
export async function accessProblems(
  { source, endpoint, place, isNamed, mayLook }: CheckedAccess,
): Promise<Problem[]> {
  const { user, password, password_file } = readAccess(source);
  // Where Postfix has the table, it does not work.
  const unusable = isNamed ? "error" : "warning";
  const problems: Problem[] = [];
  const isEncrypted = endpoint.transport === "tcp" &&
    endpoint.tls !== undefined;
  if (isEncrypted) {
    problems.push(problem(
      unusable,
      `${
        source.written("memcache")
      }: Postfix itself has no TLS for memcached: ` +
        'for Postfix, offer the table with "memcache-table serve"',
      source.setting("memcache"),
    ));
  }
  for (const name of accessNames) {
    const setting = source.setting(name);
    if (isEncrypted || !name.startsWith("tls_") || !setting?.value) continue;
    problems.push(problem(
      "error",
      `${source.written(name)}: it has no effect, for nothing is encrypted: ` +
        `set ${source.written("memcache")} = tls:HOST:PORT`,
      setting,
    ));
  }
  if (password === "" && password_file === "") {
    if (user !== "") problems.push(noLogIn(source, "user", unusable));
    if (place === "elsewhere") problems.push(plainText(source));
    return problems;
  }
  const name = password === "" ? "password_file" : "password";
  const setting = source.setting(name);
  const written = source.written(name);
  const file = password === "" ? fileOf(written, password_file) : setting?.file;
  if (mayLook && file !== undefined && await everybodyMayRead(file)) {
    problems.push(problem(
      "warning",
      `${written}: every user of this machine can read ${file}, and the password ` +
        "in it: " +
        (password === ""
          ? shellWords("chmod", "o-r", file)
          : otherPlace(source, file)),
      setting,
    ));
  }
  problems.push(noLogIn(source, name, unusable));
  if (place !== "here") {
    problems.push(problem(
      "warning",
      `${written}: the password goes over the network without encryption`,
      setting,
    ));
  }
  return problems;
}

function noLogIn(
  source: ParameterSource,
  name: "user" | "password" | "password_file",
  severity: Problem["severity"],
): Problem {
  return problem(
    severity,
    `${
      source.written(name)
    }: Postfix itself cannot log in to a memcached: for ` +
      'Postfix, offer the table with "memcache-table serve"',
    source.setting(name),
  );
}

function plainText(source: ParameterSource): Problem {
  const setting = source.setting("memcache");
  return problem(
    "warning",
    `${
      source.written("memcache")
    } = ${setting?.value}: the server is not on this ` +
      "host, and nothing is encrypted: whoever is on the way can read the entries, " +
      "and change them",
    setting,
  );
}

function otherPlace(source: ParameterSource, file: string): string {
  return file.endsWith("/main.cf")
    ? `put it into a file of its own, and set ${
      source.written("password_file")
    } to its path`
    : shellWords("chmod", "o-r", file);
}

function fileOf(written: string, password_file: string): string | undefined {
  try {
    return passwordFile(written, password_file);
  } catch (error) {
    // Whoever opens the table says it.
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}
