import { configText } from "../bytes/text.ts";
import { ConfigError, shownText } from "../errors.ts";
import { environment, fileExists, mayRead, readFile } from "./files.ts";
import { parseMainCf, type Setting } from "../config/main_cf.ts";
import { isSecretName } from "../config/name_value.ts";
import { runtime } from "./runtime.ts";

/** Options of a {@linkcode MailSystem}. */
export interface MailSystemOptions {
  /**
   * The directory of main.cf.
   *
   * @default {"/etc/postfix"} or the environment variable `MAIL_CONFIG`
   */
  readonly configDirectory?: string;
  /** Called with the path of main.cf before it is read. */
  readonly onFile?: (path: string) => void;
  /**
   * Reads a whole file.
   *
   * @default {readFile}
   */
  readonly readFile?: (path: string) => Promise<Uint8Array>;
  /** Called with each problem of main.cf that is not an error. */
  readonly onWarning: (message: string) => void;
}

/**
 * Defaults of Postfix for parameters that main.cf does not set: those that name
 * directories, hosts and domains, and those that matter to this package.
 */
export const mailDefaults: Readonly<Record<string, string>> = {
  alias_database: "hash:/etc/aliases",
  command_directory: "/usr/sbin",
  compatibility_level: "0",
  daemon_directory: "/usr/lib/postfix/sbin",
  data_directory: "/var/lib/postfix",
  default_database_type: "hash",
  mail_name: "Postfix",
  mail_owner: "postfix",
  mydestination: "$myhostname, localhost.$mydomain, localhost",
  myorigin: "$myhostname",
  queue_directory: "/var/spool/postfix",
  smtpd_banner: "$myhostname ESMTP $mail_name",
};

const noHostName =
  "it needs myhostname, which is not set, and the name of this " +
  "host is not known: set myhostname" +
  (runtime === "deno" ? ", or allow --allow-sys=hostname" : "");

/** The Postfix on this machine, as its main.cf describes it. */
export class MailSystem {
  #options: MailSystemOptions;
  #settings: Promise<Map<string, Setting>> | undefined;
  #expanded = new Map<string, Setting>();

  /** Does not read main.cf yet. */
  constructor(options: MailSystemOptions) {
    this.#options = options;
  }

  /** The directory of main.cf. */
  get configDirectory(): string {
    return this.#options.configDirectory ?? environment("MAIL_CONFIG") ??
      "/etc/postfix";
  }

  get mainCf(): string {
    return `${this.configDirectory}/main.cf`;
  }

  /**
   * The value of a parameter of main.cf, `$` expanded; `undefined` when it is
   * not set. A missing main.cf sets nothing. Throws {@linkcode ConfigError}
   * with file and line.
   */
  async setting(name: string): Promise<Setting | undefined> {
    const settings = await (this.#settings ??= this.#read());
    const setting = settings.get(name);
    if (setting === undefined || !setting.value.includes("$")) return setting;
    const known = this.#expanded.get(name);
    if (known !== undefined) return known;
    const [{ expandMailValue }, { nameOfThisHost }] = await Promise.all([
      import("./mail_names.ts"),
      import("./hosts.ts"),
    ]);
    const hostName = settings.has("myhostname")
      ? undefined
      : await nameOfThisHost();
    const lookup = (inner: string): string | undefined => {
      const value = settings.get(inner)?.value;
      if (value !== undefined) return value;
      if (inner === "config_directory") return this.configDirectory;
      // Without it, keys and domains would silently be others than those of Postfix.
      if (inner === "myhostname" && hostName === undefined) {
        throw new RangeError(noHostName);
      }
      return Object.hasOwn(mailDefaults, inner)
        ? mailDefaults[inner]
        : undefined;
    };
    try {
      const value = expandMailValue(setting.value, lookup, hostName);
      const expanded = { ...setting, value };
      this.#expanded.set(name, expanded);
      return expanded;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      const reason = isSecretName(name)
        ? 'a "$" of its value names no parameter: write "$$" for a dollar sign'
        : cause.message;
      throw new ConfigError(`${shownText(name)}: ${reason}`, setting);
    }
  }

  /** All parameters of main.cf, `$` not expanded; none if the file is missing. */
  async settings(): Promise<ReadonlyMap<string, Setting>> {
    return await (this.#settings ??= this.#read());
  }

  /** The directory of Postfix's queue and of the sockets of its services. */
  async queueDirectory(): Promise<string> {
    return (await this.setting("queue_directory"))?.value ??
      mailDefaults.queue_directory;
  }

  /**
   * Whether UTF-8 support is on: `smtputf8_enable` of main.cf, whose default depends
   * on `compatibility_level`. `true` if main.cf cannot be read. Throws
   * {@linkcode ConfigError} for a value other than yes and no.
   */
  async smtputf8(): Promise<boolean> {
    const { readFile } = this.#options;
    if (readFile === undefined && !mayRead(this.mainCf)) return true;
    let settings: Map<string, Setting>;
    try {
      settings = await (this.#settings ??= this.#read());
    } catch {
      return true;
    }
    if (settings.size === 0 && !this.#found) return true;
    const enable = await this.setting("smtputf8_enable");
    if (enable === undefined) {
      const level = await this.setting("compatibility_level");
      return Number.parseInt(level?.value ?? "0") >= 1;
    }
    const value = enable.value.toLowerCase();
    if (value === "yes" || value === "no") return value === "yes";
    throw new ConfigError(
      `smtputf8_enable = ${enable.value}: need yes or no`,
      enable,
    );
  }

  /** Whether a file exists on this machine; for hints in messages. */
  async fileExists(path: string): Promise<boolean> {
    return this.#options.readFile === undefined && await fileExists(path);
  }

  #found = false;

  async #read(): Promise<Map<string, Setting>> {
    let bytes: Uint8Array;
    this.#options.onFile?.(this.mainCf);
    try {
      bytes = await (this.#options.readFile ?? readFile)(this.mainCf);
    } catch (error) {
      if (isMissing(error)) return new Map();
      throw error;
    }
    this.#found = true;
    return parseMainCf(
      configText(bytes),
      this.mainCf,
      this.#options.onWarning,
    );
  }
}

/** Whether an error, of any runtime, says that a file does not exist. */
export function isMissing(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name === "NotFound") return true;
    if ("code" in cause && cause.code === "ENOENT") return true;
  }
  return false;
}
