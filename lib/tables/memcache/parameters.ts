import { ConfigError } from "../../errors.ts";
import type { Setting } from "../../config/main_cf.ts";
import { parseWholeNumber } from "../../config/whole_number.ts";

/** The parameters of a memcache table, as memcache_table(5) names them. */
export interface MemcacheParameters {
  /**
   * The server: `inet:HOST:PORT`, `inet:[IPV6]:PORT`, `unix:PATH`, or `tls:HOST:PORT`,
   * which Postfix does not have.
   *
   * @default {"inet:localhost:11211"}
   */
  memcache: string;
  /**
   * The `type:name` of the persistent backup; empty for none.
   *
   * @default {""}
   */
  backup: string;
  /**
   * Stored with each value, and ignored in a lookup.
   *
   * @default {0}
   */
  flags: number;
  /**
   * How long memcached keeps a value, in seconds; 0 for no limit. Above 2592000
   * (30 days) memcached takes it for an absolute Unix time.
   *
   * @default {3600}
   */
  ttl: number;
  /**
   * How a memcache key is made of a lookup key: `%s` is the key, `%u` its local
   * part, `%d` its domain, `%1` to `%9` the labels of the domain from the right.
   *
   * @default {"%s"}
   */
  key_format: string;
  /**
   * The digest that replaces the expanded key; empty for none.
   *
   * @default {""}
   */
  key_digest: string;
  /**
   * The domains whose keys are looked up: names, `/path/file` and `type:table`;
   * empty for all keys.
   *
   * @default {""}
   */
  domain: string;
  /**
   * The longest value, in bytes, in updates and in lookups.
   *
   * @default {10240}
   */
  data_size_limit: number;
  /**
   * The longest line of a reply, in bytes.
   *
   * @default {1024}
   */
  line_size_limit: number;
  /**
   * How many times a command is tried.
   *
   * @default {2}
   */
  max_try: number;
  /**
   * Seconds between two tries.
   *
   * @default {1}
   */
  retry_pause: number;
  /**
   * Seconds for connecting, for sending and for receiving; 0 or less: no limit.
   *
   * @default {2}
   */
  timeout: number;
  /**
   * The most connections to the server. More than one is opened only while many
   * lookups are under way. Postfix does not have this parameter.
   *
   * @default {2}
   */
  connections: number;
}

/** The default values. */
export const defaultParameters: Readonly<MemcacheParameters> = {
  memcache: "inet:localhost:11211",
  backup: "",
  flags: 0,
  ttl: 3600,
  key_format: "%s",
  key_digest: "",
  domain: "",
  data_size_limit: 10240,
  line_size_limit: 1024,
  max_try: 2,
  retry_pause: 1,
  timeout: 2,
  connections: 2,
};

const minimums: Partial<Record<keyof MemcacheParameters, number>> = {
  data_size_limit: 1,
  line_size_limit: 1,
  max_try: 1,
  retry_pause: 1,
  connections: 1,
};

/** All parameter names, in the order of the manual page. */
export const parameterNames = Object.keys(
  defaultParameters,
) as (keyof MemcacheParameters)[];

/**
 * Parameters of this package, which Postfix does not have: the log-in and the TLS of
 * a server.
 */
export interface AccessParameters {
  /**
   * The user who logs in to the server; empty for no log-in.
   *
   * @default {""}
   */
  user: string;
  /**
   * The password of that user.
   *
   * @default {""}
   */
  password: string;
  /**
   * A file whose first line is the password; `credential:NAME` is a credential of
   * systemd.
   *
   * @default {""}
   */
  password_file: string;
  /**
   * A PEM file with the trusted authorities; empty for those of the runtime.
   *
   * @default {""}
   */
  tls_CAfile: string;
  /**
   * A PEM file with the certificate of the client; empty for none.
   *
   * @default {""}
   */
  tls_cert_file: string;
  /**
   * A PEM file with the private key of that certificate.
   *
   * @default {""}
   */
  tls_key_file: string;
  /**
   * Whether the certificate of the server is verified: `yes` or `no`.
   *
   * @default {"yes"}
   */
  tls_verify_cert: string;
  /**
   * The name that the certificate of the server must have; empty for the host of
   * `memcache`.
   *
   * @default {""}
   */
  tls_server_name: string;
}

/** The defaults of the access parameters. */
export const defaultAccess: Readonly<AccessParameters> = {
  user: "",
  password: "",
  password_file: "",
  tls_CAfile: "",
  tls_cert_file: "",
  tls_key_file: "",
  tls_verify_cert: "yes",
  tls_server_name: "",
};

/** The name of a parameter, of Postfix or of this package. */
export type ParameterName = keyof MemcacheParameters | keyof AccessParameters;

/** The names of the access parameters. */
export const accessNames = /* @__PURE__ */ Object.keys(
  defaultAccess,
) as (keyof AccessParameters)[];

/** The names of all parameters. */
export function allParameterNames(): ParameterName[] {
  return [...parameterNames, ...accessNames];
}

/** Reads the access parameters, without checking their values. */
export function readAccess(
  source: Pick<ParameterSource, "setting">,
): AccessParameters {
  const read = { ...defaultAccess };
  for (const name of accessNames) {
    read[name] = source.setting(name)?.value ?? defaultAccess[name];
  }
  return read;
}

/** The value of a parameter for messages; a password is not shown. */
export function shownValue(
  name: ParameterName,
  value: string | number,
): string | number {
  return name === "password" && value !== "" ? "(not shown)" : value;
}

/** Finds the setting of a parameter; `undefined` where it has its default. */
export type SettingLookup = (name: ParameterName) => Setting | undefined;

/** The source of a table's parameters. */
export interface ParameterSource {
  /** Finds a setting. */
  readonly setting: SettingLookup;
  /** The full name of a parameter: `ttl`, or in main.cf `aliases_ttl`. */
  readonly written: (name: ParameterName) => string;
  /**
   * All settings of the table, even of unknown parameters, by the names without the
   * prefix that is the table's name.
   */
  readonly all: () => Promise<ReadonlyMap<string, Setting>>;
}

function wholeNumber(
  name: keyof MemcacheParameters,
  written: string,
  setting: Setting,
): number {
  const number = parseWholeNumber(setting.value);
  const minimum = minimums[name] ?? -Infinity;
  if (number >= minimum) return number;
  const reason = Number.isNaN(number)
    ? "need a whole number without a unit"
    : `must be at least ${minimum}`;
  throw new ConfigError(`${written} = ${setting.value}: ${reason}`, setting);
}

/**
 * Reads all parameters. Throws {@linkcode ConfigError}, with file and line, where
 * a value is not a whole number, or is too small.
 */
export function readParameters(
  source: Pick<ParameterSource, "setting" | "written">,
): MemcacheParameters {
  const read: Record<string, string | number> = {};
  for (const name of parameterNames) {
    const setting = source.setting(name);
    if (setting === undefined) read[name] = defaultParameters[name];
    else if (typeof defaultParameters[name] === "string") {
      read[name] = setting.value;
    } else read[name] = wholeNumber(name, source.written(name), setting);
  }
  return read as unknown as MemcacheParameters;
}
