import { succeeds } from "./programs.ts";

interface Need {
  /** A program, or a type of table that postmap is to know: `lmdb:`. */
  program: string;
  package: string;
  why: string;
}

const needs: Need[] = [
  { program: "memcached", package: "memcached", why: "the server" },
  { program: "perl", package: "perl-base", why: "odd sockets and clients" },
  { program: "postmap", package: "postfix", why: "what we compare with" },
  { program: "lmdb:", package: "postfix-lmdb", why: "a table type" },
  {
    program: "nutcracker",
    package: "nutcracker",
    why: "a proxy before servers",
  },
  { program: "groff", package: "groff-base", why: "reads the manual page" },
  { program: "systemd-analyze", package: "systemd", why: "reads units" },
  { program: "bash", package: "bash", why: "completion of commands" },
  { program: "prometheus", package: "prometheus", why: "reads metrics" },
  { program: "/usr/bin/time", package: "time", why: "peak memory" },
  { program: "perl", package: "perl-base", why: "odd standard streams" },
  { program: "script", package: "bsdutils", why: "a terminal" },
  { program: "node", package: "nodejs", why: "a runtime" },
  { program: "npm", package: "npm", why: "installs the package" },
  { program: "git", package: "git", why: "which files are ours" },
];

async function isThere({ program }: Need): Promise<boolean> {
  const check = program.endsWith(":")
    ? `postconf -m | grep -qx ${program.slice(0, -1)}`
    : `command -v ${program} >/dev/null`;
  const { success } = await new Deno.Command("sh", {
    args: ["-c", check],
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
  }).output();
  return success;
}

async function missing(): Promise<Need[]> {
  const there = await Promise.all(needs.map(isThere));
  return needs.filter((_, number) => !there[number]);
}

/**
 * Installs what the tests need, as root on Debian; says elsewhere what to
 * install. Returns how many programs are missing then.
 */
export async function installMissing(): Promise<number> {
  let lacking = await missing();
  if (lacking.length === 0) return 0;
  const names = lacking.map((need) => need.package);
  if (Deno.build.os === "linux" && Deno.uid() === 0) {
    console.log(`Installing ${names.join(", ")} …`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await succeeds("apt-get", ["update", "-qq"], { env });
    await succeeds(
      "apt-get",
      ["install", "-y", "-qq", "--no-install-recommends", ...names],
      { env },
    );
    lacking = await missing();
  }
  for (const { program, package: name, why } of lacking) {
    console.error(
      `missing: ${program} (${why}); on Debian: apt-get install ${name}`,
    );
  }
  return lacking.length;
}
