import { run } from "./processes.ts";

/** The paths of a certificate and its key. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority of one's own, made by openssl in a folder that others can read. */
export class Authority {
  /** The path of its certificate. */
  readonly cert: string;
  #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.cert = `${folder}/ca.pem`;
  }

  static async make(folder: string): Promise<Authority> {
    await Deno.chmod(folder, 0o755);
    const authority = new Authority(folder);
    await openssl(
      ["req", "-x509", ...newKey, "-keyout", `${folder}/ca.key`],
      ["-out", authority.cert, "-days", "2", "-subj", "/CN=Test authority"],
    );
    return authority;
  }

  /** A certificate for names as `DNS:localhost,IP:127.0.0.1`. */
  async sign(name: string, names: string, days = 2): Promise<Certificate> {
    const path = `${this.#folder}/${name}`;
    await openssl(
      ["req", ...newKey, "-keyout", `${path}.key`],
      ["-out", `${path}.csr`, "-subj", `/CN=${name}`],
    );
    await Deno.writeTextFile(
      `${path}.ext`,
      `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    await openssl(
      ["x509", "-req", "-in", `${path}.csr`, "-extfile", `${path}.ext`],
      ["-CA", this.cert, "-CAkey", `${this.#folder}/ca.key`, "-CAcreateserial"],
      ["-out", `${path}.pem`, "-days", `${days}`],
    );
    await Deno.chmod(`${path}.key`, 0o644);
    return { cert: `${path}.pem`, key: `${path}.key` };
  }
}

const newKey = [
  ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
];

async function openssl(...args: string[][]): Promise<void> {
  const { code, stderr } = await run("openssl", args.flat());
  if (code !== 0) throw new Error(`openssl failed: ${stderr}`);
}
