import { configText } from "../../bytes/text.ts";
import { ConfigError, shownText } from "../../errors.ts";
import type { Connect, Socket, TlsOptions } from "../../socket/socket.ts";
import { findTlsFlaw, parameterOf } from "../../socket/tls_flaw.ts";
import { type Opening, readBytes } from "../opening.ts";
import { atParameter } from "./parameter_source.ts";
import type { AccessParameters, ParameterSource } from "./parameters.ts";

/**
 * Returns a `connect` that encrypts as the parameters and the option `tls` of a table
 * say. It reads the files now, and again for each connection, because certificates are
 * renewed.
 *
 * Throws {@linkcode ConfigError} when a file cannot be used. Later the result throws
 * it. With a backup it fails instead as if it could not connect, so that the backup
 * answers.
 */
export async function encrypting(
  connect: Connect,
  { name, options }: Pick<Opening, "name" | "options">,
  source: ParameterSource,
  access: AccessParameters,
  hasBackup: boolean,
): Promise<Connect> {
  const fail = (parameter: keyof AccessParameters, message: string) =>
    new ConfigError(
      `${name}: ${source.written(parameter)} = ` +
        `${shownText(access[parameter])}: ${message}`,
      source.setting(parameter),
    );
  const { tls_verify_cert, tls_server_name, tls_cert_file, tls_key_file } =
    access;
  if (tls_verify_cert !== "yes" && tls_verify_cert !== "no") {
    throw fail("tls_verify_cert", "need yes or no");
  }
  if ((tls_cert_file === "") !== (tls_key_file === "")) {
    const [there, missing] = tls_cert_file === ""
      ? ["tls_key_file", "tls_cert_file"] as const
      : ["tls_cert_file", "tls_key_file"] as const;
    throw fail(there, `set ${source.written(missing)} too`);
  }
  const read = async (
    parameter: "tls_CAfile" | "tls_cert_file" | "tls_key_file",
    kind: RegExp,
    what: string,
  ): Promise<string | undefined> => {
    const path = access[parameter];
    if (path === "") return undefined;
    const bytes = await atParameter(
      name,
      source,
      parameter,
      () => readBytes(options, path),
    );
    const text = configText(bytes);
    if (kind.test(text)) return text;
    throw fail(parameter, `the file has no ${what} in PEM format`);
  };
  const { caCerts, cert, key } = options.tls ?? {};
  for (
    const [option, text, kind, what] of [
      ["tls.caCerts", caCerts, certificate, "certificate"],
      ["tls.cert", cert, certificate, "certificate"],
      ["tls.key", key, privateKey, "private key"],
    ] as const
  ) {
    if (text === undefined || kind.test(text)) continue;
    throw new ConfigError(
      `${name}: the option ${option} has no ${what} in PEM format`,
    );
  }
  const find = async (): Promise<TlsOptions> => {
    const found = {
      caCerts: caCerts ??
        await read("tls_CAfile", certificate, "certificate"),
      cert: cert ?? await read("tls_cert_file", certificate, "certificate"),
      key: key ?? await read("tls_key_file", privateKey, "private key"),
      serverName: tls_server_name || undefined,
      verify: tls_verify_cert === "no" ? false : undefined,
    };
    return Object.fromEntries(
      Object.entries(found).filter(([, value]) => value !== undefined),
    );
  };
  const first = await find();
  // A connect that is handed in may use what is no flaw for it. Ours look, too.
  const flaw = options.connect === undefined
    ? await findTlsFlaw(first)
    : undefined;
  if (flaw !== undefined) {
    const { part, reason } = flaw;
    throw options.tls?.[part] === undefined
      ? fail(parameterOf[part], reason)
      : new ConfigError(`${name}: the option tls.${part}: ${reason}`);
  }
  if (tls_verify_cert === "no") {
    options.onWarning?.(
      `${name}: ${source.written("tls_verify_cert")} = no: the server is not ` +
        "verified: anybody on the way to it can read and change the data",
    );
  }
  return async (endpoint, given) => {
    if (!("port" in endpoint)) return await connect(endpoint, given);
    let tls: TlsOptions;
    try {
      tls = { ...endpoint.tls, ...await find() };
    } catch (error) {
      if (!hasBackup || !(error instanceof ConfigError)) throw error;
      throw new Error(error.message);
    }
    return inTwoRecords(await connect({ ...endpoint, tls }, given));
  };
}

// Memcached reads so many bytes at once.
const readAtOnce = 1024;

/**
 * Sends the last byte of a long write separately. Memcached (1.6.18) may not read the
 * end of a TLS record until more bytes come. The last byte makes it read the rest.
 */
function inTwoRecords(socket: Socket): Socket {
  return {
    read: () => socket.read(),
    async write(data) {
      if (data.length <= readAtOnce) return await socket.write(data);
      await socket.write(data.subarray(0, -1));
      await socket.write(data.subarray(-1));
    },
    close: () => socket.close(),
    setBusy: (busy) => socket.setBusy?.(busy),
  };
}

// With the line end: in a variable of the environment it may have become "\n".
const certificate = /-----BEGIN (?:TRUSTED )?CERTIFICATE----- *\r?\n/;
const privateKey = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY----- *\r?\n/;
