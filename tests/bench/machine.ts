import { versions as packages } from "./npm_packages.ts";

/** The machine and the date of a measurement. */
export interface Machine {
  date: string;
  cpu: string;
  cores: number;
  system: string;
  versions: Record<string, string>;
  packages: Record<string, string>;
}

async function says(program: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(program, { args }).output();
    return /\d+\.\d+(\.\d+)?/.exec(new TextDecoder().decode(stdout))?.[0] ??
      "unknown";
  } catch {
    return "none";
  }
}

async function found(file: string, pattern: RegExp): Promise<string> {
  const text = await Deno.readTextFile(file).catch(() => "");
  return pattern.exec(text)?.[1] ?? "unknown";
}

/** This machine, now. */
export async function thisMachine(): Promise<Machine> {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: await found("/proc/cpuinfo", /^model name\s*: (.*)$/m),
    cores: navigator.hardwareConcurrency,
    system: `${await found("/etc/os-release", /^PRETTY_NAME="(.*)"$/m)}, ` +
      `Linux ${Deno.osRelease()}`,
    versions: {
      deno: Deno.version.deno,
      node: await says("node", "--version"),
      memcached: await says("memcached", "-V"),
      postfix: await says("postconf", "-h", "mail_version"),
    },
    packages,
  };
}
