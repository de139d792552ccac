import { parseMainCf, type Setting } from "../../config/main_cf.ts";
import { bracedPairs, splitNameValue } from "../../config/name_value.ts";
import {
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
  const source = await findWritten(opening);
  const { user, password, tls } = opening.options;
  if ((user ?? password ?? tls) === undefined) return source;
  const { withOptions } = await import("./access_options.ts");
  return withOptions(source, { user, password, tls });
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
