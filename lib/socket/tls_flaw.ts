import { loadNodeModule, runtime } from "../system/runtime.ts";
import { reasonOf } from "../errors.ts";
import type { TlsOptions } from "./socket.ts";

/** The parameters of memcache tables that name the files of {@linkcode TlsOptions}. */
export const parameterOf = {
  caCerts: "tls_CAfile",
  cert: "tls_cert_file",
  key: "tls_key_file",
} as const;

/** What of certificates and a key cannot be used, and why. */
export interface TlsFlaw {
  readonly part: keyof typeof parameterOf;
  readonly reason: string;
}

/**
 * Looks at certificates and a key before they are used: a connection tells too little.
 * Deno takes a key that does not fit for a server without TLS 1.2, and one with a
 * passphrase for none. Returns `undefined` where nothing is found, and in runtimes
 * that have no certificates of clients.
 */
export async function findTlsFlaw(
  { caCerts, cert, key }: TlsOptions,
): Promise<TlsFlaw | undefined> {
  if (runtime === "other" || (caCerts ?? cert ?? key) === undefined) return;
  const crypto = await loadNodeModule("node:crypto");
  if (crypto === undefined) return;
  // Of several certificates the first counts: the others are those of authorities.
  const read = (pem: string) => new crypto.X509Certificate(block(pem, CERT));
  const flawOf = (part: TlsFlaw["part"], what: string, step: () => void) => {
    try {
      step();
    } catch (error) {
      const reason = `its ${what} cannot be read (${reasonOf(error)})`;
      return { part, reason };
    }
  };
  if (caCerts !== undefined && !isTrusted(caCerts)) {
    const flaw = flawOf("caCerts", "certificate", () => read(caCerts));
    if (flaw !== undefined) return flaw;
  }
  if (cert === undefined || key === undefined || isTrusted(cert)) return;
  const secret = block(key, KEY);
  // In its first line, or in that of an older format.
  if (/ENCRYPTED/.test(secret)) {
    const cure = "store it without, by openssl pkey";
    return { part: "key", reason: `its key has a passphrase: ${cure}` };
  }
  return flawOf("cert", "certificate", () => read(cert)) ??
    flawOf("key", "key", () => crypto.createPrivateKey(secret)) ??
    (read(cert).checkPrivateKey(crypto.createPrivateKey(secret))
      ? undefined
      : { part: "key", reason: "it is not the key of the certificate" });
}

const CERT = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/;
const KEY = /-----BEGIN ((?:[A-Z]+ )*PRIVATE KEY)-----[^]*?-----END \1-----/;

/** The first block of a file that may have several, of other kinds too. */
function block(pem: string, kind: RegExp): string {
  return kind.exec(pem)?.[0] ?? "";
}

/** Whether it begins in OpenSSL's own format, which not every runtime can read here. */
function isTrusted(pem: string): boolean {
  return /-----BEGIN TRUSTED CERTIFICATE-----/.test(pem);
}
