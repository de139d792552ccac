import { loadNodeModule } from "../../system/runtime.ts";

/** Computes a digest in lower-case hexadecimal. */
export type Digest = (data: Uint8Array) => string | Promise<string>;

const webDigests: Record<string, string> = {
  "sha1": "SHA-1",
  "sha256": "SHA-256",
  "sha384": "SHA-384",
  "sha512": "SHA-512",
};

function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function unknownDigest(name: string, known: readonly string[]): RangeError {
  return new RangeError(
    `unknown digest "${name}": this runtime has ${known.join(", ")}`,
  );
}

/**
 * A digest of Web Crypto, for runtimes without `node:crypto`. Throws a
 * `RangeError` for an unknown name.
 */
export function webDigest(name: string): Digest {
  const plain = name.toLowerCase().replace("-", "");
  if (!Object.hasOwn(webDigests, plain)) {
    throw unknownDigest(name, Object.keys(webDigests));
  }
  const algorithm = webDigests[plain];
  return async (data) =>
    hex(
      new Uint8Array(
        await crypto.subtle.digest(algorithm, new Uint8Array(data)),
      ),
    );
}

/**
 * The digest of that name. Loads `node:crypto`, or else uses Web Crypto. Throws a
 * `RangeError` that lists the known names when the runtime has no such digest.
 *
 * Implements "key_digest" of memcache_table(5), Postfix 3.11.
 */
export async function loadDigest(name: string): Promise<Digest> {
  const node = await loadNodeModule("node:crypto");
  if (node === undefined) return webDigest(name);
  try {
    // getHashes lists some names that do not work, and lacks some that do. Only a
    // try shows whether a name works.
    node.createHash(name).update("").digest("hex");
  } catch {
    // Leave out signature algorithms and old names of digests.
    const plain = node.getHashes().filter((known) => !/rsa|ssl/i.test(known));
    throw unknownDigest(name, plain);
  }
  return (data) => node.createHash(name).update(data).digest("hex");
}
