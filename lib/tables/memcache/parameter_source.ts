import { parseMainCf, type Setting } from "../../config/main_cf.ts";
import { bracedPairs, splitNameValue } from "../../config/name_value.ts";
import type { TableOptions } from "../../table.ts";
import {
  type AccessParameters,
  allParameterNames,
  type ParameterName,
  parameterNames,
  type ParameterSource,
} from "./parameters.ts";
import { ConfigError, shownText } from "../../errors.ts";
import { type Opening, orConfigError, readText } from "../opening.ts";

/** The part of an {@linkcode Opening} that is needed to find parameters. */
export type ParameterContext = Pick<
  Opening,
  "name" | "path" | "options" | "rules" | "mail"
>;

/**
 * Finds the parameters of a memcache table: in the file of that name if it begins
 * with `/` or `.`, in the name itself if it begins with `{`, or else in main.cf. An
 * option wins over a parameter.
 */
export async function findParameters(
  opening: ParameterContext,
): Promise<ParameterSource> {
  return withOptions(await findWritten(opening), opening.options);
}

async function findWritten(
  opening: ParameterContext,
): Promise<ParameterSource> {
  const { path } = opening;
  if (path.startsWith("/") || path.startsWith(".")) {
    return await ownFile(opening);
  }
  if (path.startsWith("{")) return inBraces(opening);
  return await inMainCf(opening);
}

/** The options of a table that stand for its access parameters. */
export type AccessOptions = Pick<TableOptions, "user" | "password" | "tls">;

/**
 * The parameters of a table whose options win: one that is given replaces all
 * parameters that mean the same. The texts of certificates and keys have no
 * parameters; only the files that they replace are left out here.
 */
export function withOptions(
  source: ParameterSource,
  { user, password, tls }: AccessOptions,
): ParameterSource {
  if ((user ?? password ?? tls) === undefined) return source;
  const given = new Map<string, string>();
  const set = (name: keyof AccessParameters, value: string) =>
    given.set(name, value);
  if (user !== undefined) set("user", user);
  if (password !== undefined) {
    set("password", password);
    set("password_file", "");
  }
  const { caCerts, cert, serverName, verify } = tls ?? {};
  if (caCerts !== undefined) set("tls_CAfile", "");
  if (cert !== undefined) {
    set("tls_cert_file", "");
    set("tls_key_file", "");
  }
  if (serverName !== undefined) set("tls_server_name", serverName);
  if (verify !== undefined) set("tls_verify_cert", verify ? "yes" : "no");
  return {
    ...source,
    setting(name) {
      const value = given.get(name);
      if (value === undefined) return source.setting(name);
      return value === "" ? undefined : { value };
    },
  };
}

/**
 * Parameters as pairs of name and value. Throws {@linkcode ConfigError} for a name
 * that is not in `known`.
 */
export function namedParameters(
  table: string,
  parameters: Iterable<readonly [string, string | number]>,
  known: readonly string[] = parameterNames,
): ParameterSource {
  const settings = new Map<string, Setting>();
  for (const [name, value] of parameters) {
    if (!known.includes(name)) {
      throw new ConfigError(
        `${table}: no parameter "${name}": there are ${known.join(", ")}`,
      );
    }
    settings.set(name, { value: String(value) });
  }
  return source(settings);
}

/** Errors that tell the parameter of a table: those of tables around it are no news. */
const placed = new WeakSet<ConfigError>();

/**
 * Runs `step`, which opens or reads what a parameter names. A {@linkcode ConfigError}
 * that is not about a line of a file gets the place of the parameter: whoever sees it
 * named another table.
 */
export async function atParameter<T>(
  table: string,
  source: ParameterSource,
  parameter: ParameterName,
  step: () => T | Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const isPlaced = !(cause instanceof ConfigError) ||
      cause.line !== undefined || placed.has(cause);
    if (isPlaced) throw cause;
    const setting = source.setting(parameter);
    const named = setting?.file === undefined ? `${shownText(table)}: ` : "";
    const error = new ConfigError(
      `${named}${source.written(parameter)}: ${cause.message}`,
      { ...setting, cause },
    );
    placed.add(error);
    throw error;
  }
}

function source(settings: ReadonlyMap<string, Setting>): ParameterSource {
  return {
    setting: (name) => settings.get(name),
    written: (name) => name,
    all: () => Promise.resolve(settings),
  };
}

async function ownFile(opening: ParameterContext): Promise<ParameterSource> {
  const { path, options, rules } = opening;
  const text = await readText(options, path);
  const settings = parseMainCf(text, path, rules.onWarning);
  return source(settings);
}

function inBraces({ name, path }: ParameterContext): ParameterSource {
  const pairs = orConfigError("memcache:{…}", {}, () => {
    try {
      return bracedPairs(path, splitNameValue);
    } catch (cause) {
      throw new RangeError(
        `${
          (cause as Error).message
        }; need memcache:{ name=value, { name = value } }`,
      );
    }
  });
  // The name of a table is in messages, and in the list of processes.
  if (pairs.some(([parameter]) => parameter === "password")) {
    throw new ConfigError(
      "memcache:{…}: a password in the name of a table can be seen by others: " +
        "put it into a file, and set password_file to its path",
    );
  }
  return namedParameters(name, pairs, allParameterNames());
}

async function inMainCf(opening: ParameterContext): Promise<ParameterSource> {
  const { path, mail, rules } = opening;
  const settings = new Map<ParameterName, Setting>();
  for (const name of allParameterNames()) {
    const setting = await mail.setting(`${path}_${name}`);
    if (setting !== undefined) settings.set(name, setting);
  }
  if (settings.size === 0) {
    const shown = shownText(path);
    const cure = await mail.fileExists(path)
      ? `for the file of that name write memcache:./${path}`
      : `set ${shown}_memcache there, or write memcache:/path/file for a file`;
    rules.onWarning(
      `memcache:${shown} takes parameters ${shown}_* from ${mail.mainCf}, ` +
        `which has none: all are at their defaults; ${cure}`,
    );
  }
  return {
    setting: (name) => settings.get(name),
    written: (name) => `${path}_${name}`,
    all: async () => {
      const all = new Map<string, Setting>();
      for (const [name, setting] of await mail.settings()) {
        if (name.startsWith(`${path}_`)) {
          all.set(name.slice(path.length + 1), setting);
        }
      }
      return all;
    },
  };
}
