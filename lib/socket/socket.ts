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
   * Tells whether a reply is awaited. While none is, a pending read should not
   * keep the process alive, where the runtime can do that.
   */
  setBusy?(busy: boolean): void;
}

/** A TCP server. */
export interface TcpEndpoint {
  /** Says which of the two it is. */
  readonly transport: "tcp";
  /** A name or an address; an IPv6 address has no brackets here. */
  readonly hostname: string;
  /** 1 to 65535. */
  readonly port: number;
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
