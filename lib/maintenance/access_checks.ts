import { ConfigError } from "../errors.ts";
import type { Endpoint } from "../socket/socket.ts";
import { everybodyMayRead } from "../system/files.ts";
import { passwordFile } from "../tables/memcache/log_in.ts";
import {
  accessNames,
  type ParameterSource,
  readAccess,
} from "../tables/memcache/parameters.ts";
import { type Problem, problem } from "./parameter_checks.ts";

/**
 * Finds what Postfix itself cannot do with the TLS and the log-in of a table, and
 * whether others could read its password. `mayLook` says whether the files are those
 * of this machine.
 */
export async function accessProblems(
  source: ParameterSource,
  endpoint: Endpoint,
  mayLook: boolean,
): Promise<Problem[]> {
  const { password, password_file } = readAccess(source);
  const problems: Problem[] = [];
  const isEncrypted = endpoint.transport === "tcp" &&
    endpoint.tls !== undefined;
  if (isEncrypted) {
    problems.push(problem(
      "warning",
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
  if (password === "" && password_file === "") return problems;
  const name = password === "" ? "password_file" : "password";
  const setting = source.setting(name);
  const written = source.written(name);
  const file = password === "" ? fileOf(written, password_file) : setting?.file;
  if (mayLook && file !== undefined && await everybodyMayRead(file)) {
    problems.push(problem(
      "warning",
      `${written}: every user of this machine can read ${file}, and the password ` +
        "in it: " +
        (password === "" ? `chmod o-r ${file}` : otherPlace(source, file)),
      setting,
    ));
  }
  problems.push(problem(
    "warning",
    `${written}: Postfix itself cannot log in to a memcached: for Postfix, offer ` +
      `the table with "memcache-table serve"`,
    setting,
  ));
  if (isOtherHost(endpoint)) {
    problems.push(problem(
      "warning",
      `${written}: the password goes over the network without encryption`,
      setting,
    ));
  }
  return problems;
}

function otherPlace(source: ParameterSource, file: string): string {
  return file.endsWith("/main.cf")
    ? `put it into a file of its own, and set ${
      source.written("password_file")
    } to its path`
    : `chmod o-r ${file}`;
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

function isOtherHost(endpoint: Endpoint): boolean {
  return endpoint.transport === "tcp" && endpoint.tls === undefined &&
    !/^(?:localhost|127\.[\d.]+|::1)$/i.test(endpoint.hostname);
}
