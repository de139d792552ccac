import { ConfigError } from "../errors.ts";
import type { Endpoint } from "../socket/socket.ts";
import { everybodyMayRead } from "../system/files.ts";
import { passwordFile } from "../tables/memcache/log_in.ts";
import {
  type ParameterSource,
  readAccess,
} from "../tables/memcache/parameters.ts";
import { type Problem, problem } from "./parameter_checks.ts";

/**
 * What others could learn of the log-in of a table. `mayLook` says whether the
 * files are those of this machine.
 */
export async function accessProblems(
  source: ParameterSource,
  endpoint: Endpoint,
  mayLook: boolean,
): Promise<Problem[]> {
  const { password, password_file } = readAccess(source);
  if (password === "" && password_file === "") return [];
  const name = password === "" ? "password_file" : "password";
  const setting = source.setting(name);
  const written = source.written(name);
  const problems: Problem[] = [];
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
  return endpoint.transport === "tcp" &&
    !/^(?:localhost|127\.[\d.]+|::1)$/i.test(endpoint.hostname);
}
