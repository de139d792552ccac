import { ConfigError, shownText } from "../errors.ts";
import { loadNodeModule } from "../system/runtime.ts";
import { NodeSocket } from "./node.ts";
import type { Socket, TcpEndpoint } from "./socket.ts";
import { findTlsFlaw, parameterOf } from "./tls_flaw.ts";

type Tls = typeof import("node:tls");
type TLSSocket = import("node:tls").TLSSocket;

/**
 * Opens sockets with `node:tls`, TLS 1.2 or later, on Node, Bun and Deno. Deno's own
 * functions cannot connect to a server that is not verified, and show no certificate
 * of the client if the server's name is not its host. Errors say what is wrong, and
 * what helps.
 */
export async function connectTls(
  endpoint: TcpEndpoint,
  { signal }: { signal?: AbortSignal },
): Promise<Socket> {
  const serverName = endpoint.tls?.serverName ?? endpoint.hostname;
  const tls = await loadTls();
  const flaw = await findTlsFlaw(endpoint.tls ?? {});
  if (flaw !== undefined) {
    throw new Error(`${parameterOf[flaw.part]}: ${flaw.reason}`);
  }
  signal?.throwIfAborted();
  const connection = start(tls, endpoint, endpoint.tls?.verify ?? true);
  const opening = new Promise<Socket>((resolve, reject) => {
    const settle = () => {
      signal?.removeEventListener("abort", abort);
      connection.off("secureConnect", connected);
      connection.off("error", failed);
      connection.off("close", closed);
    };
    const connected = () => {
      // At once: an error without a listener would end the program.
      const socket = new TlsSocket(new NodeSocket(connection), serverName);
      settle();
      resolve(socket);
    };
    const failed = (error: unknown) => {
      settle();
      // A second error would have no listener.
      connection.on("error", () => {});
      connection.destroy();
      reject(error);
    };
    const closed = () => failed(new Error("it was closed"));
    const abort = () => failed(signal!.reason);
    connection.on("secureConnect", connected);
    connection.on("error", failed);
    connection.on("close", closed);
    signal?.addEventListener("abort", abort);
  });
  return await opening.catch(async (error) => {
    if (signal?.aborted) throw error;
    const shown = isAboutCertificate(error)
      ? await shownCertificate(tls, endpoint, signal)
      : undefined;
    throw explained(error, serverName, shown);
  });
}

function start(
  tls: Tls,
  { hostname: host, port, tls: options = {} }: TcpEndpoint,
  verify: boolean,
): TLSSocket {
  const { caCerts: ca, cert, key, serverName = host } = options;
  let connection: TLSSocket;
  try {
    connection = tls.connect({
      host,
      port,
      ca,
      cert,
      key,
      // An address is verified below. It is never sent as a name.
      servername: isAddress(serverName) ? "" : serverName,
      checkServerIdentity: (_, shown) =>
        tls.checkServerIdentity(serverName, shown),
      rejectUnauthorized: verify,
      minVersion: "TLSv1.2",
    });
  } catch (error) {
    throw unusable(error);
  }
  connection.setNoDelay(true);
  return connection;
}

/** What the certificate of a server says of itself. Nothing of it is verified. */
export interface ShownCertificate {
  /** Who has signed it, or the last certificate of its chain. */
  readonly issuer?: string;
  /** The time before which, and after which, it is not valid. */
  readonly from?: Date;
  readonly to?: Date;
}

// Milliseconds.
const inspectionTimeout = 500;

/**
 * Connects once more, without verification, to see the certificate of the server. The
 * first connection, which failed, does not show it in every runtime. Sends no data.
 * Returns `undefined` if the server does not answer in half a second.
 */
async function shownCertificate(
  tls: Tls,
  endpoint: TcpEndpoint,
  signal?: AbortSignal,
): Promise<ShownCertificate | undefined> {
  const connection = start(tls, endpoint, false);
  const end = () => {
    connection.destroy();
  };
  connection.setTimeout(inspectionTimeout, end);
  signal?.addEventListener("abort", end);
  try {
    return await new Promise((resolve) => {
      connection.on("secureConnect", () => resolve(described(connection)));
      connection.on("error", () => resolve(undefined));
      connection.on("close", () => resolve(undefined));
    });
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

function described(connection: TLSSocket): ShownCertificate {
  const shown = connection.getPeerCertificate(true);
  const seen = new Set<unknown>();
  let last = shown;
  while (last?.issuerCertificate && !seen.has(last)) {
    seen.add(last);
    last = last.issuerCertificate;
  }
  const { CN, O } = last?.issuer ?? {};
  const issuer = [CN ?? O].flat()[0];
  return {
    issuer: issuer && printable(issuer),
    from: timeOf(shown?.valid_from),
    to: timeOf(shown?.valid_to),
  };
}

function timeOf(text: string | undefined): Date | undefined {
  const time = new Date(text ?? "");
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** A text that a server chose, for a message of one line. */
function printable(text: string): string {
  return shownText(text.replace(/[\p{Cc}"]/gu, "?"));
}

/** With TLS 1.3 a client may learn only at its first read that it was refused. */
class TlsSocket implements Socket {
  #socket: NodeSocket;
  #serverName: string;
  /** After that, an error is none of the handshake. */
  #hasRead = false;

  constructor(socket: NodeSocket, serverName: string) {
    this.#socket = socket;
    this.#serverName = serverName;
  }

  async read(): Promise<Uint8Array | null> {
    try {
      const bytes = await this.#socket.read();
      this.#hasRead = true;
      return bytes;
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async write(data: Uint8Array): Promise<void> {
    try {
      await this.#socket.write(data);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #explained(error: unknown): unknown {
    return this.#hasRead ? error : explained(error, this.#serverName);
  }

  close(): void {
    this.#socket.close();
  }

  endWrite(): Promise<void> {
    return this.#socket.endWrite();
  }

  setBusy(busy: boolean): void {
    this.#socket.setBusy(busy);
  }
}

async function loadTls(): Promise<Tls> {
  const tls = await loadNodeModule("node:tls");
  if (tls !== undefined) return tls;
  throw new ConfigError("this runtime has no node:tls");
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^[\d.]+$/.test(name);
}

// Not a ConfigError, so that the backup answers: a renewal may be under way.
function unusable(error: unknown): Error {
  const { message } = error as Error;
  return new Error(
    "a certificate or the key (tls_CAfile, tls_cert_file, tls_key_file) cannot be " +
      `used: ${message}`,
    { cause: error },
  );
}

const unknownAuthority =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|UNKNOWN_CERTIFICATE_VERIFICATION_ERROR)$/;

/** Whether the server's own certificate says more of what is wrong with it. */
function isAboutCertificate(error: unknown): boolean {
  const { code = "", message = "" } = error as {
    code?: string;
    message?: string;
  };
  return /^CERT_|expired/i.test(`${code} ${message}`) ||
    unknownAuthority.test(code) || /UnknownIssuer/.test(message);
}

/** An error of TLS, and what helps. Others are returned as they are. */
export function explained(
  error: unknown,
  serverName: string,
  { issuer, from, to }: ShownCertificate = {},
): unknown {
  const { code = "", message = "" } = error as {
    code?: string;
    message?: string;
  };
  const all = `${code} ${message}`;
  const say = (text: string) => new Error(text, { cause: error });
  const now = Date.now();
  if (code === "CERT_HAS_EXPIRED" || /certificate has expired/i.test(all)) {
    // With a date in the future, it is not this certificate that has expired.
    if (to !== undefined && to.getTime() > now) {
      return say(
        "its certificate is valid, and that of its authority has expired: renew " +
          "that one, there and in tls_CAfile",
      );
    }
    const since = to === undefined ? "" : `, at ${utc(to)}`;
    return say(`its certificate has expired${since}: renew it there`);
  }
  if (code === "CERT_NOT_YET_VALID") {
    const until = from === undefined || from.getTime() < now
      ? "yet"
      : `before ${utc(from)}`;
    return say(`its certificate is not valid ${until}: is the clock right?`);
  }
  if (
    code === "ERR_TLS_CERT_ALTNAME_INVALID" ||
    code === "HOSTNAME_MISMATCH" || /NotValidForName/.test(all)
  ) {
    const { subjectaltname } = (error as {
      cert?: { subjectaltname?: string };
    }).cert ?? {};
    const [, told] = /altnames: (DNS:.*|IP.*)$/.exec(message) ?? [];
    const names = subjectaltname ?? told;
    return say(
      `its certificate is not for ${serverName}` +
        (names === undefined
          ? ", nor for any other name (subjectAltName): renew it there, with a name"
          : `, but for ${printable(names)}: ` +
            "set tls_server_name to the name that it has"),
    );
  }
  if (unknownAuthority.test(code) || /UnknownIssuer/.test(all)) {
    const name = issuer === undefined ? "" : `, "${issuer}"`;
    return say(
      `its certificate is by an authority that is not trusted${name} (${
        message || code
      }): set tls_CAfile to a file with the certificate of that authority`,
    );
  }
  if (/protocol.?version|unsupported.protocol/i.test(all)) {
    return say(
      "it speaks no TLS 1.2 or later, and older versions are not safe: " +
        "allow TLS 1.2 there",
    );
  }
  if (/wrong.version.number|InvalidContentType|packet length/i.test(all)) {
    return say("it does not speak TLS: write inet: instead of tls:");
  }
  if (/alert|certificate.required|handshake.failure/i.test(all)) {
    return say(
      `it refuses the TLS handshake (${
        plainReason(message)
      }): does it want the ` +
        "certificate of a client? set tls_cert_file and tls_key_file",
    );
  }
  if (/it was closed|disconnected before secure|ECONNRESET/i.test(all)) {
    return say(
      "it closed the connection in the TLS handshake: does it speak TLS? If not, " +
        "write inet: instead of tls:. If it does, does it want the certificate of " +
        "a client (tls_cert_file)?",
    );
  }
  return error;
}

/** A time as `2026-11-30 03:04:05 UTC`. */
function utc(time: Date): string {
  return time.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

/** The text of an OpenSSL error, without the place in its source code. */
function plainReason(message: string): string {
  return message.replace(/\n[^]*/, "").replace(
    /^.*:SSL routines:[^:]*:([^:]+).*/,
    "$1",
  );
}
