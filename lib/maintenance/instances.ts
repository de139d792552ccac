import { parseMainCf, type Setting } from "../config/main_cf.ts";
import { parseMasterCf, type Service } from "../config/master_cf.ts";
import { splitItems } from "../config/name_value.ts";
import { ConfigError, shownText } from "../errors.ts";
import { mayRead, notPermitted } from "../system/files.ts";
import { nameOfThisHost } from "../system/hosts.ts";
import { expandMailValue } from "../system/mail_names.ts";
import { isMissing, mailDefaults, MailSystem } from "../system/mail_system.ts";
import type { OpenOptions } from "../table.ts";
import { readText } from "../tables/opening.ts";
import { postfixDefaults } from "./postfix_defaults.ts";

/** What the parameters of an instance are made of. */
interface MainParameters {
  readonly configDirectory: string;
  /** What main.cf sets, `$` not expanded. */
  readonly settings: ReadonlyMap<string, Setting>;
  /** The name of this host, if it is known. */
  readonly hostName: string | undefined;
}

/**
 * The parameters that a program of Postfix sees: those of main.cf, or, for a service
 * of master.cf, with its overrides.
 */
export class ServiceParameters {
  /** The service; `undefined` for main.cf alone. */
  readonly service: Service | undefined;
  #main: MainParameters;

  /** Reads nothing. */
  constructor(main: MainParameters, service?: Service) {
    this.#main = main;
    this.service = service;
  }

  /** The parameters of a service of the same instance. */
  of(service: Service): ServiceParameters {
    return new ServiceParameters(this.#main, service);
  }

  /**
   * What main.cf or the service sets, `$` expanded; `undefined` if neither does.
   * Throws {@linkcode ConfigError} where the value cannot be expanded.
   */
  setting(name: string): Setting | undefined {
    const setting = this.#set(name);
    if (setting === undefined) return undefined;
    return { ...setting, value: this.#expand(name, setting.value, setting) };
  }

  /** The value of a parameter, `$` expanded; the default where it is not set. */
  value(name: string): string {
    return this.setting(name)?.value ??
      this.#expand(name, this.#default(name) ?? "");
  }

  #set(name: string): Setting | undefined {
    return this.service?.overrides.get(name) ??
      this.#main.settings.get(name);
  }

  #default(name: string): string | undefined {
    if (name === "config_directory") return this.#main.configDirectory;
    if (this.service !== undefined) {
      if (name === "service_name") return this.service.name;
      if (name === "process_name") return this.service.program;
    }
    for (const defaults of [postfixDefaults, mailDefaults]) {
      if (Object.hasOwn(defaults, name)) return defaults[name];
    }
    return undefined;
  }

  #expand(name: string, value: string, where?: Setting): string {
    if (!value.includes("$")) return value;
    try {
      return expandMailValue(
        value,
        (inner) => this.#set(inner)?.value ?? this.#default(inner),
        this.#main.hostName,
      );
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new ConfigError(`${shownText(name)}: ${cause.message}`, where);
    }
  }
}

/** An instance of Postfix, as its main.cf and master.cf describe it. */
export interface Instance {
  readonly configDirectory: string;
  /** The path of main.cf. */
  readonly mainCf: string;
  /** What main.cf sets, `$` not expanded. */
  readonly settings: ReadonlyMap<string, Setting>;
  /**
   * The services of master.cf whose lines are right; `undefined` if that could not be
   * read.
   */
  readonly services: readonly Service[] | undefined;
  /** The parameters without those of a service. */
  readonly parameters: ServiceParameters;
}

/** The instances of Postfix that belong together, and what was read for them. */
export interface Instances {
  /** The instance of the configuration directory, and then those that it names. */
  readonly list: readonly Instance[];
  /** The files that were read. */
  readonly files: readonly string[];
  /** Why others, or lines of them, could not be read. */
  readonly errors: readonly ConfigError[];
}

/**
 * Reads main.cf and master.cf of the configuration directory, and of the other
 * directories that `multi_instance_directories` names, as `postmulti -l` does.
 *
 * Throws {@linkcode ConfigError} if the first main.cf cannot be read. A master.cf that
 * does not exist is no error.
 */
export async function readInstances(
  options: OpenOptions,
): Promise<Instances> {
  const { configDirectory } = new MailSystem({
    ...options,
    onWarning: () => {},
  });
  const files: string[] = [];
  const errors: ConfigError[] = [];
  const first = await readInstance(configDirectory, options, files, errors);
  const list = [first];
  const known = new Set([configDirectory]);
  try {
    const names = first.parameters.value("multi_instance_directories");
    for (const directory of splitItems(names)) {
      if (known.has(directory)) continue;
      known.add(directory);
      const found = await orError(errors, () => {
        requireAccess(`${directory}/main.cf`, options);
        return readInstance(directory, options, files, errors);
      });
      if (found !== undefined) list.push(found);
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    errors.push(error);
  }
  return { list, files, errors };
}

/**
 * As {@linkcode readInstances}, but does not fail; reads nothing where that would
 * prompt, or there is no main.cf.
 */
export async function readInstancesIfAny(
  options: OpenOptions,
): Promise<Instances> {
  const { mainCf } = new MailSystem({ ...options, onWarning: () => {} });
  const none: Instances = { list: [], files: [], errors: [] };
  if (options.readFile === undefined && !mayRead(mainCf)) return none;
  try {
    return await readInstances({ ...options, onWarning: () => {} });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return isMissing(error) ? none : { ...none, errors: [error] };
  }
}

/** Throws {@linkcode ConfigError} where the runtime would prompt for a permission. */
function requireAccess(file: string, { readFile }: OpenOptions): void {
  if (readFile !== undefined || mayRead(file)) return;
  throw new ConfigError(notPermitted(file), { file });
}

async function orError<T>(
  errors: ConfigError[],
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    errors.push(error);
    return undefined;
  }
}

async function readInstance(
  configDirectory: string,
  options: OpenOptions,
  files: string[],
  errors: ConfigError[],
): Promise<Instance> {
  const mainCf = `${configDirectory}/main.cf`;
  const onWarning = options.onWarning ?? (() => {});
  const text = await readText(options, mainCf);
  files.push(mainCf);
  const settings = parseMainCf(text, mainCf, onWarning);
  const services = await orError(
    errors,
    () => readServices(`${configDirectory}/master.cf`, options, files, errors),
  );
  const hostName = await nameOfThisHost();
  const main = { configDirectory, settings, hostName };
  const parameters = new ServiceParameters(main);
  return { configDirectory, mainCf, settings, services, parameters };
}

async function readServices(
  file: string,
  options: OpenOptions,
  files: string[],
  errors: ConfigError[],
): Promise<Service[] | undefined> {
  requireAccess(file, options);
  let text: string;
  try {
    text = await readText(options, file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  files.push(file);
  const { onWarning = () => {} } = options;
  return parseMasterCf(text, file, {
    onFlaw: (error) => errors.push(error),
    onWarning,
  });
}

/**
 * The parameters of each service that runs a program; those of main.cf alone if none
 * does, or master.cf could not be read.
 */
export function parametersOf(
  { services, parameters }: Instance,
  program: string,
): ServiceParameters[] {
  const own = (services ?? []).filter((service) => service.program === program)
    .map((service) => parameters.of(service));
  return own.length > 0 ? own : [parameters];
}

/** Returns the result; `undefined` where main.cf has a value that Postfix refuses. */
export function orUndefined<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}
