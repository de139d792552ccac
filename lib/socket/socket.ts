/** A connected byte stream. Each runtime has an adapter that opens them. */
export interface Socket {
  /**
   * Who has connected, `inet:HOST:PORT`, if a listener accepted the connection by
   * TCP. Otherwise missing.
   */
  readonly peer?: string;
  /**
   * Reads the bytes that have arrived, or waits for some; `null` at the end of the
   * stream. The bytes are valid only until the next `read`.
   */
  read(): Promise<Uint8Array | null>;
  /** Sends all of `data`. */
  write(data: Uint8Array): Promise<void>;
  /** Closes it. May be called twice. A pending read or write resolves or rejects. */
  close(): void;
  /**
   * Closes the sending half; the socket can still read. Missing where the runtime
   * cannot do that.
   */
  endWrite?(): Promise<void>;
  /**
   * Tells whether a reply is expected. While none is, a pending read should not keep
   * the process alive. Missing where the runtime cannot do that.
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
  /** Marks a TCP server. */
  readonly transport: "tcp";
  /** A host name or an address; an IPv6 address has no brackets. */
  readonly hostname: string;
  /** 1 to 65535. */
  readonly port: number;
  /** That the connection is encrypted by TLS, 1.2 or later, and how. */
  readonly tls?: TlsOptions;
}

/** A server on a UNIX-domain socket. */
export interface UnixEndpoint {
  /** Marks a server on a UNIX-domain socket. */
  readonly transport: "unix";
  /** The path of the socket. */
  readonly path: string;
}

/** The address of a server. */
export type Endpoint = TcpEndpoint | UnixEndpoint;

/**
 * Opens a socket. Rejects when that fails, or when `signal` is aborted first; then
 * no socket stays open.
 */
export type Connect = (
  endpoint: Endpoint,
  options: { signal?: AbortSignal },
) => Promise<Socket>;

/** Accepts connections at an endpoint. Each runtime has an adapter that makes them. */
export interface Listener {
  /** The address where it listens, with the actual port. */
  readonly endpoint: Endpoint;
  /**
   * Waits for the next connection; `null` when the listener is closed. After a
   * rejection it may be called again.
   */
  accept(): Promise<Socket | null>;
  /**
   * Closes it, and ends a pending `accept`. May be called twice. Removes the file of
   * a UNIX-domain socket, unless another program has replaced it.
   */
  close(): void;
}

/**
 * Listens at an endpoint. Port 0 means any free port. `mode` is the mode of a
 * UNIX-domain socket's file. Replaces the socket file of a dead server; rejects if
 * anything else is there.
 */
export type Listen = (
  endpoint: Endpoint,
  options: { mode?: number },
) => Promise<Listener>;
