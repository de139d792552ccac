import { type Clock, systemClock } from "./clock.ts";
import { loadNodeModule, runtime } from "./runtime.ts";

/** Where a host is; `unknown` if permissions or the resolver do not tell. */
export type HostPlace = "here" | "elsewhere" | "unknown";

// The server of the table was asked before, so the resolver knows the name.
const patience = 5000;

/**
 * Finds whether a host name or address is of this machine: a loopback address, or one
 * of its interfaces. A name with several addresses is, if one of them is.
 */
export async function placeOfHost(
  hostname: string,
  clock: Clock = systemClock,
): Promise<HostPlace> {
  if (/^(?:.*\.)?localhost\.?$/i.test(hostname)) return "here";
  const literal = canonicalAddress(hostname);
  if (literal !== undefined && isLoopback(literal)) return "here";
  const own = await ownAddresses();
  const addresses = literal === undefined
    ? await addressesOf(hostname, clock)
    : [literal];
  if (addresses.some(isLoopback)) return "here";
  if (own.length === 0 || addresses.length === 0) return "unknown";
  return addresses.some((address) => own.includes(address))
    ? "here"
    : "elsewhere";
}

/**
 * The name of this host; `undefined` where permissions or the runtime do not tell it.
 */
export async function nameOfThisHost(): Promise<string | undefined> {
  if (!isPermitted({ name: "sys", kind: "hostname" })) return undefined;
  // Deno takes milliseconds to load its node:os.
  if (runtime === "deno") return Deno.hostname();
  return (await loadNodeModule("node:os"))?.hostname();
}

/** An address in its only spelling; `undefined` if the text is a name. */
function canonicalAddress(text: string): string | undefined {
  if (/^\d+(?:\.\d+){3}$/.test(text)) {
    return text.split(".").map(Number).join(".");
  }
  if (!text.includes(":")) return undefined;
  const url = `http://[${text.replace(/%.*/s, "")}]`;
  if (!URL.canParse(url)) return undefined;
  const address = new URL(url).hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(address);
  if (mapped === null) return address;
  const [high, low] = [mapped[1], mapped[2]].map((part) => parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** Also the addresses that mean "this host" for a client. */
function isLoopback(address: string): boolean {
  return /^127\./.test(address) || ["::1", "::", "0.0.0.0"].includes(address);
}

async function ownAddresses(): Promise<string[]> {
  if (!isPermitted({ name: "sys", kind: "networkInterfaces" })) return [];
  try {
    const os = await loadNodeModule("node:os");
    if (os === undefined) return [];
    return Object.values(os.networkInterfaces()).flatMap((all) => all ?? [])
      .flatMap(({ address }) => canonicalAddress(address) ?? []);
  } catch {
    return [];
  }
}

/** The addresses of a name, as /etc/hosts and the resolver have them. */
async function addressesOf(name: string, clock: Clock): Promise<string[]> {
  if (!isPermitted({ name: "net", host: name })) return [];
  const dns = await loadNodeModule("node:dns");
  if (dns === undefined) return [];
  return await new Promise((resolve) => {
    const timer = clock.setTimer(patience, () => resolve([]));
    dns.lookup(name, { all: true }, (error, found) => {
      timer.cancel();
      resolve(
        error === null
          ? found.flatMap(({ address }) => canonicalAddress(address) ?? [])
          : [],
      );
    });
  });
}

/** Whether the runtime permits it, without a prompt. */
function isPermitted(permission: Deno.PermissionDescriptor): boolean {
  if (runtime === "deno") {
    return Deno.permissions.querySync(permission).state === "granted";
  }
  return runtime === "node";
}
