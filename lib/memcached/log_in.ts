/**
 * The log-in of memcached's text protocol. A server that was started with `-Y FILE`
 * requires it. Tables with the parameters `user` and `password` log in by themselves.
 * A `MemcacheLookup` of `@postmaps/memcache-table/lookup` needs this module.
 *
 * @example A Worker whose password is one of its secrets
 * ```ts ignore
 * import { MemcacheLookup } from "@postmaps/memcache-table/lookup";
 * import { connectCloudflare } from "@postmaps/memcache-table/cloudflare";
 * import { logIn } from "@postmaps/memcache-table/log-in";
 *
 * export default {
 *   async fetch(request: Request, env: { PASSWORD: string }): Promise<Response> {
 *     const { PASSWORD: password } = env;
 *     await using table = new MemcacheLookup(
 *       { memcache: "tls:cache.example.com:11211", key_format: "aliases:%s" },
 *       { connect: logIn(connectCloudflare, { user: "worker", password }) },
 *     );
 *     const value = await table.lookup(new URL(request.url).pathname.slice(1));
 *     return new Response(value, { status: value === undefined ? 404 : 200 });
 *   },
 * };
 * ```
 *
 * @module
 */
import { requireKind } from "../arguments.ts";
import { configBytes } from "../bytes/text.ts";
import { ConfigError, reasonOf, shownText } from "../errors.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type {
  Connect,
  Endpoint,
  Socket,
  TcpEndpoint,
  TlsOptions,
  UnixEndpoint,
} from "../socket/socket.ts";
import { tlsHint, wasReset } from "./cannot_connect.ts";
import { asciiBytes, LF, quoted } from "./protocol.ts";

export type {
  Connect,
  Endpoint,
  Socket,
  TcpEndpoint,
  TlsOptions,
  UnixEndpoint,
};

/** The user who logs in, and the password. */
export interface Credentials {
  /** As in memcached's `-Y` file: no white space, no colon. */
  readonly user: string;
  /** One line of text. */
  readonly password: string;
}

// Any key is possible. A server that requires no log-in stores this as an entry.
// It expires at once, so that nobody can read the password there.
const key = "memcache-table-log-in";
const expired = -1;

const longestAnswer = 1024;

/**
 * Returns a `connect` that logs in on each new connection, before anything else is
 * sent. The time-out for connecting includes the log-in. If the password may change,
 * pass a function as `credentials`: it is called for each connection.
 *
 * The result rejects with {@linkcode ConfigError} when the server refuses the log-in,
 * and when memcached can have no such user or password.
 *
 * @example
 * ```ts
 * import { MemcacheTable } from "@postmaps/memcache-table";
 * import { connectDeno } from "@postmaps/memcache-table/deno";
 * import { logIn } from "@postmaps/memcache-table/log-in";
 *
 * const connect = logIn(connectDeno, { user: "joe", password: "secret" });
 * await using table = new MemcacheTable({}, { connect });
 * console.log(table.name);
 * ```
 */
export function logIn(
  connect: Connect,
  credentials: Credentials | (() => Credentials | Promise<Credentials>),
): Connect {
  requireKind("logIn: connect", connect, "function");
  if (typeof credentials !== "function") requireCredentials(credentials);
  return async (endpoint, options) => {
    const { signal } = options;
    const who = typeof credentials === "function"
      ? await credentials()
      : credentials;
    requireCredentials(who);
    const command = encodeLogIn(who);
    const socket = await connect(endpoint, options);
    const close = () => socket.close();
    signal?.addEventListener("abort", close);
    try {
      signal?.throwIfAborted();
      await socket.write(command);
      judge(await readLine(socket, endpoint), who, endpoint);
      signal?.throwIfAborted();
      return socket;
    } catch (error) {
      close();
      signal?.throwIfAborted();
      if (!wasReset(error)) throw error;
      throw new Error(`${reasonOf(error)}${tlsHint(endpoint)}`, {
        cause: error,
      });
    } finally {
      signal?.removeEventListener("abort", close);
    }
  };
}

function requireCredentials(credentials: Credentials): void {
  const what = "logIn: credentials";
  requireKind(what, credentials, "object");
  requireKind(`${what}.user`, credentials.user, "string");
  requireKind(`${what}.password`, credentials.password, "string");
}

/** The bytes of a log-in. Throws {@linkcode ConfigError} if it is not possible. */
export function encodeLogIn({ user, password }: Credentials): Uint8Array {
  const reason = unusable({ user, password });
  if (reason !== undefined) throw new ConfigError(reason);
  const data = configBytes(`${user} ${password}`);
  const head = asciiBytes(`set ${key} 0 ${expired} ${data.length}\r\n`);
  const command = new Uint8Array(head.length + data.length + 2);
  command.set(head);
  command.set(data, head.length);
  command.set(asciiBytes("\r\n"), head.length + data.length);
  return command;
}

/** Why this log-in is not possible. The text does not show the password. */
function unusable({ user, password }: Credentials): string | undefined {
  if (user === "" || password === "") {
    return user === ""
      ? "there is a password, and no user: set user too"
      : "there is a user, and no password: set password or password_file too";
  }
  // deno-lint-ignore no-control-regex -- control characters are what must go
  if (/[\s:\u0000-\u001f\u007f]/.test(user)) {
    return `user = ${shownText(user)}: ` +
      "the name of a memcached user has no white space and no colon";
  }
  if (/[\r\n\0]/.test(password)) {
    return "the password has a line end or a null byte: it must be one line";
  }
  return undefined;
}

/** Reads the answer to the log-in: one line, and nothing after it. */
async function readLine(
  socket: Socket,
  endpoint: Endpoint,
): Promise<string> {
  let text = "";
  for (;;) {
    const bytes = await socket.read();
    if (bytes === null) {
      throw new Error(
        "it closed the connection instead of answering the log-in; " +
          "memcached -S (SASL) does so: start it with -Y FILE instead" +
          tlsHint(endpoint).replace(/^:/, ";"),
      );
    }
    text += String.fromCharCode(...bytes.subarray(0, longestAnswer));
    if (bytes.includes(LF)) return text.replace(/\r?\n$/, "");
    if (text.length >= longestAnswer) {
      throw new Error(`it answers the log-in with ${quoted(text)}`);
    }
  }
}

function judge(
  answer: string,
  { user, password }: Credentials,
  endpoint: Endpoint,
): void {
  if (answer === "STORED") return;
  const said = quoted(answer);
  if (/^(?:CLIENT_ERROR|ERROR)\b/.test(answer)) {
    throw new ConfigError(
      `memcached at ${formatEndpoint(endpoint)} refuses the log-in of user ` +
        `"${shownText(user)}" (it answers ${said}): ` +
        "set user and password as in a line of its -Y file" +
        (password.includes(" ")
          ? "; a password there cannot have a space"
          : ""),
    );
  }
  throw new Error(`it answers the log-in with ${said}`);
}
