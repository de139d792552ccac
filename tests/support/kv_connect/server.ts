import {
  atomicWrite,
  atomicWriteOutput,
  readStatus,
  snapshotRead,
  snapshotReadOutput,
} from "./messages.ts";
import { BadRequest, Store } from "./store.ts";

/** A request of the protocol. */
export type RequestKind = "exchange" | "snapshot_read" | "atomic_write";

/** Options of a server. */
export interface KvServerOptions {
  /** The versions of the protocol that it speaks. */
  readonly versions?: readonly (1 | 2 | 3)[];
  /** The certificate and key, PEM, of a server that speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** The access token of the databases. */
export const accessToken = "token-of-the-tests";

/**
 * Puts it into the environment, where Deno looks for it. It stays there: tests that
 * run at the same time share the environment.
 */
export function useAccessToken(): void {
  Deno.env.set("DENO_KV_ACCESS_TOKEN", accessToken);
}

/** A database of a server. */
export class RemoteDatabase {
  /** Its URL, as in `kv:URL`. */
  readonly url: string;
  /** Its entries. */
  store = new Store();
  /** Its ID, as the answer to an exchange has it. */
  id: string = crypto.randomUUID();

  constructor(url: string) {
    this.url = url;
  }

  /** Puts another, empty database at this URL. */
  replace(): void {
    this.store = new Store();
    this.id = crypto.randomUUID();
  }
}

/**
 * A server of KV Connect, the protocol of Deno KV over the network. It is strict:
 * what the specification does not allow is refused, and so is what is beyond the
 * limits of the service. Delays and faults are made on demand.
 */
export class KvServer implements AsyncDisposable {
  /** Milliseconds that each request, and each answer, is on its way. */
  delay = 0;
  /** Answers requests instead of the server; `undefined` leaves them to it. */
  fault: (
    kind: RequestKind,
    request: Request,
  ) => Response | Promise<Response> | undefined = () => undefined;
  /** The access token that it takes. */
  accessToken = accessToken;
  /** Where the data path is, by default the server itself. */
  endpoint: string | undefined;
  /** Milliseconds that a token of the data path is good for. */
  tokenLifetime = 3_600_000;
  /** How many requests came, of each kind. */
  readonly requests: Record<RequestKind, number> = {
    exchange: 0,
    snapshot_read: 0,
    atomic_write: 0,
  };
  /** The most requests that were under way at once. */
  most = 0;
  /** The most bytes of a request. */
  longestRequest = 0;
  /** The most bytes of an answer. */
  longestAnswer = 0;
  /** Called with each request, before it is answered. */
  onRequest: (kind: RequestKind) => void = () => {};
  #underWay = 0;
  #onIdle: () => void = () => {};
  #server: Deno.HttpServer<Deno.NetAddr>;
  #versions: readonly number[];
  #databases = new Map<string, RemoteDatabase>();
  #tokens = new Map<string, number>();
  #waiting = new Set<() => void>();

  constructor({ versions = [1, 2, 3], tls }: KvServerOptions = {}) {
    this.#versions = versions;
    const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
    this.#server = Deno.serve(
      tls === undefined ? options : { ...options, ...tls },
      (request) => this.#answer(request),
    );
    const { port } = this.#server.addr;
    this.origin = tls === undefined
      ? `http://127.0.0.1:${port}`
      : `https://localhost:${port}`;
  }

  /** Where it is. */
  readonly origin: string;

  /** The database of that name; makes it if it is new. */
  database(name = "db"): RemoteDatabase {
    let database = this.#databases.get(name);
    if (database === undefined) {
      database = new RemoteDatabase(`${this.origin}/${name}`);
      this.#databases.set(name, database);
    }
    return database;
  }

  /** Waits until so many requests of a kind have come from now on. */
  async untilAsked(kind: RequestKind, times = 1): Promise<void> {
    const enough = this.requests[kind] + times;
    await new Promise<void>((resolve) => {
      this.onRequest = () => {
        if (this.requests[kind] >= enough) resolve();
      };
    });
  }

  /** Waits until no request is under way. */
  async idle(): Promise<void> {
    while (this.#underWay > 0) {
      await new Promise<void>((resolve) => this.#onIdle = resolve);
    }
  }

  /** From now on all tokens that it gave for the data path are refused. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  /** An answer that comes only when the server ends, or by `release`. */
  async hang(): Promise<Response> {
    await new Promise<void>((resolve) => this.#waiting.add(resolve));
    return new Response("The server ends.", { status: 410 });
  }

  /** Answers all requests that hang. */
  release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #answer(request: Request): Promise<Response> {
    this.most = Math.max(this.most, ++this.#underWay);
    try {
      const body = new Uint8Array(await request.arrayBuffer());
      this.longestRequest = Math.max(this.longestRequest, body.length);
      await this.#travel();
      const response = await this.#respond(request, body);
      await this.#travel();
      return response;
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      return new Response(error.message, { status: 400 });
    } finally {
      if (--this.#underWay === 0) this.#onIdle();
    }
  }

  async #travel(): Promise<void> {
    if (this.delay === 0) return;
    await new Promise((resolve) => setTimeout(resolve, this.delay));
  }

  async #respond(request: Request, body: Uint8Array): Promise<Response> {
    const [name, version, action, ...more] = new URL(request.url).pathname
      .slice(1).split("/");
    const kind = version === undefined ? "exchange" : action;
    if (!isKind(kind) || more.length > 0) return notFound();
    this.requests[kind]++;
    this.onRequest(kind);
    const wrong = await this.fault(kind, request);
    if (wrong !== undefined) return wrong;
    const database = this.#databases.get(name);
    if (database === undefined || request.method !== "POST") return notFound();
    require(request.headers.has("user-agent"), "There is no User-Agent");
    if (kind === "exchange") return this.#exchange(request, body, database);
    const refusal = this.#refusal(request, version, database);
    if (refusal !== undefined) return refusal;
    const answer = kind === "snapshot_read"
      ? read(database, body)
      : write(database, body);
    this.longestAnswer = Math.max(this.longestAnswer, answer.length);
    return protobuf(answer);
  }

  #exchange(
    { headers }: Request,
    body: Uint8Array,
    database: RemoteDatabase,
  ): Response {
    // Without a body, a client is of version 1.
    let versions: readonly unknown[] = [1];
    if (body.length > 0) {
      require(
        headers.get("content-type") === "application/json",
        "The Content-Type is not that of JSON",
      );
      versions = supportedVersions(new TextDecoder().decode(body));
    }
    if (headers.get("authorization") !== `Bearer ${this.accessToken}`) {
      return new Response("Invalid access token.", { status: 401 });
    }
    const common = this.#versions.filter((one) => versions.includes(one));
    require(common.length > 0, "There is no common version of the protocol");
    const version = Math.max(...common);
    const token = crypto.randomUUID();
    const expires = Date.now() + this.tokenLifetime;
    this.#tokens.set(token, expires);
    const path = `${new URL(database.url).pathname}/v${version}`;
    // Only version 1 must have a whole URL.
    const origin = this.endpoint ?? (version === 1 ? this.origin : "");
    return Response.json({
      version,
      databaseId: database.id,
      endpoints: [{ url: origin + path, consistency: "strong" }],
      token,
      expiresAt: new Date(expires).toISOString(),
    });
  }

  /** Why a request of the data path is refused. */
  #refusal(
    { headers }: Request,
    path: string,
    { id }: RemoteDatabase,
  ): Response | undefined {
    const [, token] =
      /^Bearer (.+)$/.exec(headers.get("authorization") ?? "") ??
        [];
    const expires = this.#tokens.get(token ?? "");
    if (expires === undefined || expires <= Date.now()) {
      return new Response("The token has expired.", { status: 401 });
    }
    // What Deno sends. @deno/kv sends none, against the specification.
    const type = headers.get("content-type");
    require(
      type === null || type === "application/x-protobuf",
      "The Content-Type is not that of Protobuf",
    );
    const version = Number(path.replace(/^v/, ""));
    require(this.#versions.includes(version), "The version is not spoken here");
    const [name, sent] = version === 1
      ? ["x-transaction-domain-id", undefined]
      : ["x-denokv-database-id", `${version}`];
    require(
      (headers.get("x-denokv-version") ?? undefined) === sent,
      "Invalid protocol version",
    );
    require(headers.get(name) === id, "Invalid database id");
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.fault = () => undefined;
    this.release();
    await this.#server.shutdown();
  }
}

function isKind(name: string | undefined): name is RequestKind {
  return name === "exchange" || name === "snapshot_read" ||
    name === "atomic_write";
}

function notFound(): Response {
  return new Response("Resource not found.", { status: 404 });
}

function supportedVersions(json: string): readonly unknown[] {
  let sent: unknown;
  try {
    sent = JSON.parse(json);
  } catch {
    throw new BadRequest("The body is not JSON.");
  }
  const { supportedVersions, ...more } = Object(sent);
  require(
    Array.isArray(supportedVersions) && Object.keys(more).length === 0,
    "The body is not that of an exchange",
  );
  return supportedVersions;
}

// Nothing may be sent that the schema does not have.
const strict = { readUnknownField: "throw" } as const;

function read({ store }: RemoteDatabase, body: Uint8Array): Uint8Array {
  const ranges = store.read(
    parsed(() => snapshotRead.fromBinary(body, strict)),
  );
  return snapshotReadOutput.toBinary({
    ranges,
    readDisabled: false,
    readIsStronglyConsistent: true,
    status: readStatus.success,
  });
}

function write({ store }: RemoteDatabase, body: Uint8Array): Uint8Array {
  const output = store.write(
    parsed(() => atomicWrite.fromBinary(body, strict)),
  );
  return atomicWriteOutput.toBinary(output);
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new BadRequest(`The request is invalid: ${(error as Error).message}`);
  }
}

function protobuf(body: Uint8Array): Response {
  return new Response(body as Uint8Array<ArrayBuffer>, {
    headers: { "content-type": "application/x-protobuf" },
  });
}

function require(holds: boolean, message: string): void {
  if (!holds) throw new BadRequest(`${message}.`);
}
