import { ConfigError } from "../errors.ts";
import { loadNodeModule } from "../system/runtime.ts";
import { NodeSocket } from "./node.ts";
import type { Socket, TcpEndpoint } from "./socket.ts";

type Tls = typeof import("node:tls");

/**
 * Opens sockets with `node:tls`, TLS 1.2 or later, on Node, Bun and Deno, whose own
 * functions for it know no unverified server, and no certificate of a client where
 * the name is not that of the host. What went wrong is said with the cure.
 */
export async function connectTls(
  endpoint: TcpEndpoint,
  { signal }: { signal?: AbortSignal },
): Promise<Socket> {
  const { hostname: host, port, tls: options = {} } = endpoint;
  const { caCerts: ca, cert, key, serverName = host, verify = true } = options;
  const tls = await loadTls();
  signal?.throwIfAborted();
  let connection: import("node:tls").TLSSocket;
  try {
    connection = tls.connect({
      host,
      port,
      ca,
      cert,
      key,
      // An address is verified too, and no name to send.
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
  const opening = new Promise<Socket>((resolve, reject) => {
    const settle = () => {
      signal?.removeEventListener("abort", abort);
      connection.off("secureConnect", connected);
      connection.off("error", failed);
      connection.off("close", closed);
    };
    const connected = () => {
      // Now, not in a later turn: an error that nobody listens for ends the program.
      const socket = new TlsSocket(new NodeSocket(connection), serverName);
      settle();
      resolve(socket);
    };
    const failed = (error: unknown) => {
      settle();
      // Nobody is left to hear of a second error.
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
  return await opening.catch((error) => {
    throw signal?.aborted ? error : explained(error, serverName);
  });
}

/** With TLS 1.3 a client learns when it reads that its certificate was refused. */
class TlsSocket implements Socket {
  #socket: NodeSocket;
  #serverName: string;

  constructor(socket: NodeSocket, serverName: string) {
    this.#socket = socket;
    this.#serverName = serverName;
  }

  async read(): Promise<Uint8Array | null> {
    try {
      return await this.#socket.read();
    } catch (error) {
      throw explained(error, this.#serverName);
    }
  }

  async write(data: Uint8Array): Promise<void> {
    try {
      await this.#socket.write(data);
    } catch (error) {
      throw explained(error, this.#serverName);
    }
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

function unusable(error: unknown): ConfigError {
  const { message } = error as Error;
  return new ConfigError(
    `the certificate or the key of tls_cert_file, tls_key_file, tls_CAfile ` +
      `cannot be used: ${message}`,
    { cause: error },
  );
}

const unknownAuthority =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|UNKNOWN_CERTIFICATE_VERIFICATION_ERROR)$/;

/** An error of TLS, and what helps. Others are returned as they are. */
export function explained(error: unknown, serverName: string): unknown {
  const { code = "", message = "" } = error as {
    code?: string;
    message?: string;
  };
  const all = `${code} ${message}`;
  const say = (text: string) => new Error(text, { cause: error });
  if (code === "CERT_HAS_EXPIRED" || /certificate has expired/i.test(all)) {
    return say("its certificate has expired: renew it there");
  }
  if (code === "CERT_NOT_YET_VALID") {
    return say("its certificate is not valid yet: is the clock right?");
  }
  if (
    code === "ERR_TLS_CERT_ALTNAME_INVALID" ||
    code === "HOSTNAME_MISMATCH" || /NotValidForName/.test(all)
  ) {
    const [, names] = /altnames: (DNS:.*|IP.*)$/.exec(message) ?? [];
    return say(
      `its certificate is not for ${serverName}` +
        (names === undefined ? "" : `, but for ${names}`) +
        ": set tls_server_name to the name that it has",
    );
  }
  if (unknownAuthority.test(code) || /UnknownIssuer/.test(all)) {
    return say(
      `its certificate is by an authority that is not trusted (${
        message || code
      }): set tls_CAfile to a file with the certificate of that authority`,
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
      "it closed the connection in the TLS handshake: does it speak TLS? Does it " +
        "want the certificate of a client (tls_cert_file)?",
    );
  }
  return error;
}

/** What OpenSSL says, without where in its source it says so. */
function plainReason(message: string): string {
  return message.replace(/\n[^]*/, "").replace(
    /^.*:SSL routines:[^:]*:([^:]+).*/,
    "$1",
  );
}
