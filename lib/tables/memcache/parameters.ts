import { ConfigError } from "../../errors.ts";
import type { Setting } from "../../config/main_cf.ts";

/** The parameters of a memcache table, as memcache_table(5) names them. */
export interface MemcacheParameters {
  /** The server: `inet:HOST:PORT`, `inet:[IPV6]:PORT`, `unix:PATH`, `tls:HOST:PORT`. */
  memcache: string;
  /** The `type:name` of the persistent backup; empty for none. */
  backup: string;
  /** Stored with an update, ignored in a lookup. */
  flags: number;
  /** Seconds that an update is kept; above 2592000 an absolute Unix time. */
  ttl: number;
  /** From lookup key to memcache key. */
  key_format: string;
  /** The digest of the expanded key; empty for none. */
  key_digest: string;
  /** The domains whose keys are looked up; empty for all. */
  domain: string;
  /** Longest value, in bytes, both ways. */
  data_size_limit: number;
  /** Longest reply line, in bytes. */
  line_size_limit: number;
  /** Tries of one command. */
  max_try: number;
  /** Seconds between tries. */
  retry_pause: number;
  /** Seconds for connecting, for sending and for receiving; 0 or less: no limit. */
  timeout: number;
}

/** The parameters that nobody set. */
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
};

const least: Partial<Record<keyof MemcacheParameters, number>> = {
  data_size_limit: 1,
  line_size_limit: 1,
  max_try: 1,
  retry_pause: 1,
};

/** All parameter names, in the order of the manual page. */
export const parameterNames = Object.keys(
  defaultParameters,
) as (keyof MemcacheParameters)[];

/**
 * Parameters of this package, which Postfix does not have: how to get to a server
 * that does not let everybody in.
 */
export interface AccessParameters {
  /** Who logs in to the server; empty for no log-in. */
  user: string;
  /** The password of that user. */
  password: string;
  /** A file whose first line is the password; `credential:NAME` is one of systemd. */
  password_file: string;
  /** A file with the authorities that are trusted, PEM; empty for the runtime's. */
  tls_CAfile: string;
  /** A file with the certificate that the table shows, PEM; empty for none. */
  tls_cert_file: string;
  /** A file with the private key of that certificate, PEM. */
  tls_key_file: string;
  /** Whether the server must prove its name: `yes` or `no`. */
  tls_verify_cert: string;
  /** The name that the server must have; empty for the host of `memcache`. */
  tls_server_name: string;
}

/** The access parameters that nobody set. */
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

/** The name of a parameter, of Postfix's or of this package. */
export type ParameterName = keyof MemcacheParameters | keyof AccessParameters;

/** The names of the access parameters. */
export const accessNames = /* @__PURE__ */ Object.keys(
  defaultAccess,
) as (keyof AccessParameters)[];

/** The names of all parameters. */
export function allParameterNames(): ParameterName[] {
  return [...parameterNames, ...accessNames];
}

/** Reads the access parameters; what they mean is for who uses them. */
export function readAccess(
  source: Pick<ParameterSource, "setting">,
): AccessParameters {
  const read = { ...defaultAccess };
  for (const name of accessNames) {
    read[name] = source.setting(name)?.value ?? defaultAccess[name];
  }
  return read;
}

/** What may be shown of the value of a parameter: nothing of a password. */
export function shownValue(
  name: ParameterName,
  value: string | number,
): string | number {
  return name === "password" && value !== "" ? "(not shown)" : value;
}

/** Finds the setting of a parameter, `undefined` for its default. */
export type SettingLookup = (name: ParameterName) => Setting | undefined;

/** Where the parameters of a table come from, and how messages name them. */
export interface ParameterSource {
  /** Finds a setting. */
  readonly setting: SettingLookup;
  /** The name that a person gave it: `ttl`, or `aliases_ttl` in main.cf. */
  readonly written: (name: ParameterName) => string;
  /**
   * All that was set there, what is no parameter too, by the names without that
   * of the table.
   */
  readonly all: () => Promise<ReadonlyMap<string, Setting>>;
}

function wholeNumber(
  name: keyof MemcacheParameters,
  written: string,
  setting: Setting,
): number {
  const number = Number(setting.value);
  if (
    !/^[+-]?[0-9]+$/.test(setting.value) || number > 2147483647 ||
    number < -2147483648
  ) {
    throw new ConfigError(
      `${written} = ${setting.value}: need a whole number without a unit`,
      setting,
    );
  }
  const bound = least[name];
  if (bound !== undefined && number < bound) {
    throw new ConfigError(
      `${written} = ${setting.value}: must be at least ${bound}`,
      setting,
    );
  }
  return number;
}

/**
 * Reads all parameters. Throws {@linkcode ConfigError}, with file and line,
 * on a number that is none or too small.
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
