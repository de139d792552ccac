import { ConfigError, NotUtf8Error, TemporaryError } from "../../errors.ts";
import { configBytes, isUtf8, type Text } from "../../bytes/text.ts";
import { ProxymapClient } from "./proxymap_client.ts";
import type { Entry } from "../../table.ts";
import { connectLazily } from "../../socket/connect.ts";
import { duplicateHandler, type Opening } from "../opening.ts";
import type { Driver } from "../driver.ts";
import { DriverTable, refusalHandler, type Refuse } from "../driver_table.ts";

// Flags of Postfix's dict(3).
const FIXED = 1 << 4;
const LOCK = 1 << 6;
const DUP_REPLACE = 1 << 7;
const SYNC_UPDATE = 1 << 8;
const OPEN_LOCK = 1 << 16;
const UTF8_REQUEST = 1 << 19;
const FILE_VALUES = 1 << 21;

// Types that Postfix cannot list. A request to list one makes proxymap exit. It
// restarts only after a minute, and mail waits meanwhile.
const unlistable =
  /^(?:cdb|cidr|environ|ldap|mongodb|mysql|netinfo|nis|nisplus|pcre|pgsql|pipemap|randmap|regexp|socketmap|sqlite|static|tcp|unionmap|unix):/;

const status = { ok: 0, noKey: 1, retry: 2, bad: 3, deny: 4, config: 5 };

interface ProxyParts {
  /** The whole name, with `proxy:`. */
  readonly name: string;
  /** The table that the service opens. */
  readonly table: string;
  readonly client: ProxymapClient;
  readonly text: Text;
  /** Whether to fold keys, except those of tables with patterns. */
  readonly fold: boolean;
  /** The flags of all requests. */
  readonly flags: number;
  /** Additional flags of updates. */
  readonly updateFlags: number;
  /** The flags with which the service opens the table. */
  readonly openFlags: number;
  /** Whether an update replaces an existing entry. */
  readonly replace: boolean;
  /** Called with the key when an update keeps the existing entry. */
  readonly onDuplicate: (key: string) => void;
  /** Called with each refused update. */
  readonly refuse: Refuse;
  /** The parameter of main.cf that lists the approved tables. */
  readonly approval: string;
}

type Reply = {
  status: number;
  flags: number;
  key: Uint8Array;
  value: Uint8Array;
};

const empty = new Uint8Array(0);

/** The driver of tables that Postfix's proxymap(8) opens. */
class ProxyDriver implements Driver {
  #parts: ProxyParts;
  /** Whether the flags are two attributes, as in Postfix 3.11, or one. */
  #hasTwoFlags = false;
  #opened: Promise<void> | undefined;
  #foldsKeys = false;

  constructor(parts: ProxyParts) {
    this.#parts = parts;
  }

  async lookup(key: string): Promise<string | undefined> {
    const { name, text } = this.#parts;
    if (key.includes("\0")) return undefined;
    const reply = await this.#request("lookup", ["key", key]);
    if (reply.status === status.noKey) return undefined;
    const value = text.decode(reply.value);
    if (value === undefined) throw new NotUtf8Error(name, key, reply.value);
    return value;
  }

  async update(key: string, value: string): Promise<boolean> {
    const { replace, onDuplicate, refuse } = this.#parts;
    if (key.includes("\0")) {
      refuse(key, "it has a null byte", "rules");
      return false;
    }
    // The service itself always replaces entries.
    if (!replace && await this.lookup(key) !== undefined) {
      onDuplicate(this.#folded(key));
      return false;
    }
    const reply = await this.#request("update", ["key", key], ["value", value]);
    return reply.status === status.ok;
  }

  async delete(key: string): Promise<boolean> {
    if (key.includes("\0")) return false;
    const reply = await this.#request("delete", ["key", key]);
    return reply.status === status.ok;
  }

  /** The service has one cursor for each table: concurrent listings share it. */
  async *sequence(): AsyncGenerator<Entry> {
    const { name, table, text } = this.#parts;
    if (unlistable.test(table)) {
      throw new ConfigError(
        `${name} cannot be listed: its type cannot do that`,
      );
    }
    for (let next = 0;; next = 1) {
      const reply = await this.#request("sequence", ["function", `${next}`]);
      if (reply.status === status.noKey) return;
      const key = text.decode(reply.key);
      const value = text.decode(reply.value);
      if (key === undefined || value === undefined) {
        const shown = new TextDecoder().decode(reply.key);
        throw new NotUtf8Error(name, shown, reply.value);
      }
      yield { key, value };
    }
  }

  async close(reason?: unknown): Promise<void> {
    await this.#parts.client.close(reason);
  }

  #folded(key: string): string {
    return this.#foldsKeys ? this.#parts.text.fold(key) : key;
  }

  async #request(request: string, ...more: [string, string][]): Promise<Reply> {
    await (this.#opened ??= this.#open());
    const folded = more.map(([name, value]): [string, string] => [
      name,
      name === "key" ? this.#folded(value) : value,
    ]);
    const reply = await this.#send(request, folded);
    if (reply.status !== status.ok && reply.status !== status.noKey) {
      throw this.#errorOf(request, reply.status);
    }
    return reply;
  }

  /** Finds out whether the table is approved, and how to send flags. */
  async #open(): Promise<void> {
    try {
      let reply = await this.#send("open", []);
      if (reply.status === status.bad) {
        this.#hasTwoFlags = true;
        reply = await this.#send("open", []);
      }
      if (reply.status !== status.ok) throw this.#errorOf("open", reply.status);
      this.#foldsKeys = this.#parts.fold && (reply.flags & FIXED) !== 0;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  async #send(request: string, more: [string, string][]): Promise<Reply> {
    const { table, client, text } = this.#parts;
    const { openFlags, updateFlags } = this.#parts;
    const requestFlags = this.#parts.flags |
      (request === "update" ? updateFlags : 0);
    const flags: [string, string][] = this.#hasTwoFlags
      ? [["instance_flags", `${openFlags}`], ["flags", `${requestFlags}`]]
      : [[
        "flags",
        `${request === "open" ? openFlags : openFlags | requestFlags}`,
      ]];
    const encoded = ([name, value]: [string, string]) =>
      [name, text.encode(value)] as const;
    const reply = await client.request([
      encoded(["request", request]),
      // The bytes as configured, even if UTF-8 is off.
      ["table", configBytes(table)],
      ...[...flags, ...more].map(encoded),
    ]);
    return {
      status: wholeNumber(reply.get("status")),
      flags: wholeNumber(reply.get("flags")),
      key: reply.get("key") ?? empty,
      value: reply.get("value") ?? empty,
    };
  }

  #errorOf(request: string, number: number): Error {
    const { name, approval } = this.#parts;
    switch (number) {
      case status.deny:
        return new ConfigError(
          `${name}: Postfix does not approve this table: list ${name} in ` +
            `${approval} of main.cf, and reload Postfix`,
        );
      case status.bad:
        return new ConfigError(
          `${name}: Postfix's proxymap does not take the request "${request}"`,
        );
      case status.config:
        return new ConfigError(
          `${name}: the table is not configured well: Postfix's log says why`,
        );
      default:
        return new TemporaryError(
          `${name}: Postfix could not do "${request}" now: its log says why`,
        );
    }
  }
}

function wholeNumber(bytes: Uint8Array | undefined): number {
  const text = new TextDecoder().decode(bytes);
  return /^\d+$/.test(text) ? Number(text) : -1;
}

/**
 * Opens `proxy:type:name`, a table in Postfix's proxymap(8) service; in its
 * proxywrite service for writing.
 *
 * Implements proxymap(8).
 */
export async function openProxy(opening: Opening): Promise<DriverTable> {
  const { name, path, options, rules, mail } = opening;
  if (!/^[^:]+:./.test(path)) {
    throw new ConfigError(`${name}: need proxy:type:name`);
  }
  const queue = await mail.queueDirectory();
  if (!isUtf8(queue)) {
    throw new ConfigError(
      `${name}: queue_directory = ${queue} is not UTF-8, and no runtime can ` +
        "connect to a socket there",
    );
  }
  const isCache = options.daemonCache ?? await isDaemonCache(opening);
  const writes = rules.write || isCache;
  const service = writes ? "proxywrite" : "proxymap";
  const driver = new ProxyDriver({
    name,
    table: path,
    client: new ProxymapClient({
      table: name,
      endpoint: { transport: "unix", path: `${queue}/private/${service}` },
      connect: options.connect ?? connectLazily,
      clock: options.clock,
    }),
    text: rules.text,
    fold: rules.fold,
    flags: (isCache ? 0 : LOCK) | DUP_REPLACE |
      (rules.text.utf8 ? UTF8_REQUEST : 0),
    // Such an update waits until it and all earlier ones are on disk.
    updateFlags: isCache ? SYNC_UPDATE : 0,
    openFlags: (isCache ? OPEN_LOCK : 0) |
      (options.fileValues ? FILE_VALUES : 0),
    replace: (options.duplicates ?? "replace") === "replace",
    onDuplicate: duplicateHandler(opening),
    refuse: refusalHandler(name, rules),
    approval: writes ? "proxy_write_maps" : "proxy_read_maps",
  });
  // The driver folds: whether to do so is known after the service opens the table.
  return new DriverTable(name, driver, { ...rules, fold: false });
}

/**
 * Whether a Postfix daemon uses the table as its cache, and so has it locked. The
 * service has a handle for each set of flags, and a locked handle blocks the
 * others. So the flags must be those of the daemon.
 */
async function isDaemonCache(opening: Opening): Promise<boolean> {
  const { name, outer, mail } = opening;
  for (const parameter of ["postscreen_cache_map", "address_verify_map"]) {
    const cache = (await mail.setting(parameter))?.value;
    if (cache === undefined) continue;
    if ([...outer, name].includes(cache)) return true;
    if (await opening.backupOf(cache) === name) return true;
  }
  return false;
}
