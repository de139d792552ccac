/** A connected byte stream. Adapters make one for each runtime. */
export interface Socket {
  /**
   * The next bytes as they come, `null` at the end of the stream. The bytes
   * are the caller's only until the next `read`.
   */
  read(): Promise<Uint8Array | null>;
  /** Sends all of `data`. */
  write(data: Uint8Array): Promise<void>;
  /** Idempotent; a pending read or write ends, in whatever way. */
  close(): void;
  /**
   * Tells the other side that no more is sent, where the runtime can do that;
   * what it sends can still be read.
   */
  endWrite?(): Promise<void>;
  /**
   * Tells whether a reply is awaited. While none is, a pending read should not
   * keep the process alive, where the runtime can do that.
   */
  setBusy?(busy: boolean): void;
}

/** How a connection is encrypted. */
export interface TlsOptions {
  /**
   * Certificates of the authorities that are trusted, PEM; by default those of the
   * runtime.
   */
  readonly caCerts?: string;
  /** The certificate that the client shows, with its chain, PEM. */
  readonly cert?: string;
  /** The private key of `cert`, PEM. */
  readonly key?: string;
  /** The name that the server must prove to have; by default its host name. */
  readonly serverName?: string;
  /**
   * Whether the server must prove its name; when not, anybody on the way can read
   * and change what is sent.
   *
   * @default {true}
   */
  readonly verify?: boolean;
}

/** A TCP server. */
export interface TcpEndpoint {
  /** Says which of the two it is. */
  readonly transport: "tcp";
  /** A name or an address; an IPv6 address has no brackets here. */
  readonly hostname: string;
  /** 1 to 65535. */
  readonly port: number;
  /** That the connection is encrypted by TLS, 1.2 or later, and how. */
  readonly tls?: TlsOptions;
}

/** A server on a UNIX-domain socket. */
export interface UnixEndpoint {
  /** Says which of the two it is. */
  readonly transport: "unix";
  /** The path of the socket. */
  readonly path: string;
}

/** Where a server is. */
export type Endpoint = TcpEndpoint | UnixEndpoint;

/**
 * Opens a socket. Rejects when that fails; `signal` ends the attempt, and what
 * is open by then is closed.
 */
export type Connect = (
  endpoint: Endpoint,
  options: { signal?: AbortSignal },
) => Promise<Socket>;

/** Takes connections at an endpoint. Adapters make one for each runtime. */
export interface Listener {
  /** Where it listens; the port is the actual one. */
  readonly endpoint: Endpoint;
  /**
   * The next connection; `null` once it is closed. May reject when there is
   * none to be had for the moment, and be called again.
   */
  accept(): Promise<Socket | null>;
  /**
   * Idempotent; a pending `accept` ends. The file of a UNIX-domain socket is
   * removed, unless it is another one by now.
   */
  close(): void;
}

/**
 * Listens at an endpoint; port 0 is any that is free. `mode` is that of the
 * file of a UNIX-domain socket. A socket file that a server left behind is
 * replaced, anything else that is there is an error.
 */
export type Listen = (
  endpoint: Endpoint,
  options: { mode?: number },
) => Promise<Listener>;
