import {
  loadDigest,
  webDigest,
} from "../../../lib/tables/memcache/key_digest.ts";
import { utf8Text } from "../../../lib/bytes/text.ts";
import {
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../support/assert.ts";

const key = utf8Text.encode("Käse");

async function openssl(name: string): Promise<string> {
  const child = new Deno.Command("openssl", {
    args: ["dgst", `-${name}`, "-r"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(key);
  await writer.close();
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).split(" ")[0];
}

Deno.test("loadDigest() gives the digests that openssl gives", async () => {
  for (
    const name of [
      "md5",
      "sha1",
      "sha224",
      "sha256",
      "sha384",
      "sha512",
      "SHA256",
    ]
  ) {
    const digest = await loadDigest(name);
    assertEquals(await digest(key), await openssl(name), name);
  }
});

Deno.test("webDigest() gives the same ones", async () => {
  for (const name of ["sha1", "sha256", "sha384", "sha512", "SHA-256"]) {
    const digest = await loadDigest(name.replace("-", ""));
    assertEquals(await webDigest(name)(key), await digest(key), name);
  }
});

Deno.test("an unknown digest is refused with the names that are known", async () => {
  await assertRejects(
    () => loadDigest("sha257"),
    RangeError,
    `unknown digest "sha257"`,
  );
  await assertRejects(() => loadDigest("sha257"), RangeError, "sha512");
  assertThrows(
    () => webDigest("md5"),
    RangeError,
    "sha1, sha256, sha384, sha512",
  );
});
