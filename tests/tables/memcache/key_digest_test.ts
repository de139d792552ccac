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

// As `printf Käse | openssl dgst -NAME` prints them.
const digests: Record<string, string> = {
  md5: "889f9fcced62320cb2bb284aaf7e93f2",
  sha1: "f8294ebd432755a599d13480a494cb7473cc8b6f",
  sha224: "342ad949922fe95f8dca57d920d64471fd8b9850d7c548dc6a359469",
  sha256: "f9eeb52c9bc41ee560ba93468b92317220be4939954e8b50591b8b71accc53ae",
  sha384: "9a14791d0361862f100f00faa28b39310837d98fd0046b9cbfc1644a090c627f" +
    "710a397680814c6e4243052e03149b82",
  sha512: "e36ce9466e524c9f1ec436e9da5c981255ff4d8292bb83d2056a9cef10997900" +
    "62fa56af61e2a140ecc047bc769bb713553038cd0a633637b45f675888d5e854",
};

Deno.test("loadDigest() gives the digests that openssl gives", async () => {
  for (const [name, expected] of Object.entries(digests)) {
    const digest = await loadDigest(name);
    assertEquals(await digest(key), expected, name);
    // Each key anew, not behind the one before.
    assertEquals(await digest(key), expected, name);
  }
  assertEquals(await (await loadDigest("SHA256"))(key), digests.sha256);
});

Deno.test("webDigest() gives the same ones", async () => {
  for (const name of ["sha1", "sha256", "sha384", "sha512", "SHA-256"]) {
    const expected = digests[name.toLowerCase().replace("-", "")];
    assertEquals(await webDigest(name)(key), expected, name);
  }
});

Deno.test("an unknown digest is refused with the names that are known", async () => {
  await assertRejects(
    () => loadDigest("sha257"),
    RangeError,
    `unknown digest "sha257"`,
  );
  await assertRejects(() => loadDigest("sha257"), RangeError, "sha512");
  for (const name of ["md5", "sha224", "", "constructor"]) {
    assertThrows(
      () => webDigest(name),
      RangeError,
      `unknown digest "${name}": this runtime has sha1, sha256, sha384, sha512`,
    );
  }
});
