import { reasonOf, shownText } from "../../errors.ts";
import type { Clock, Timer } from "../../system/clock.ts";
import { KvFailure } from "./failures.ts";

// Asks a service of KV Connect why a client of it fails. The clients try for ever
// where a service does not answer, and each words its errors in its own way. The
// protocol: https://github.com/denoland/denokv/blob/main/proto/kv-connect.md

/** The variable of the environment with the access token. */
export const tokenVariable = "DENO_KV_ACCESS_TOKEN";

// Milliseconds for all questions together.
const longestQuestion = 2000;

const versions = [1, 2, 3];

/** What is known of a service. */
export interface ServiceParts {
  /** The URL of the database. */
  readonly url: string;
  /** Whether the name of the table has the URL. */
  readonly isNamed: boolean;
  /** The access token; `undefined` if it is missing, or only the client has it. */
  readonly token: () => string | undefined;
  /** The clock. */
  readonly clock: Clock;
}

/** The part of the answer to an exchange that is used. */
interface Metadata {
  readonly version: number;
  readonly databaseId: string;
  readonly endpoint: string;
  readonly token: string;
}

/** A service that offers a database over the network. */
export class KvService {
  #parts: ServiceParts;
  #asking: Promise<KvFailure | undefined> | undefined;
  #end: (() => void) | undefined;

  /** Asks nothing yet. */
  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** Its host, and the port if there is one. */
  get host(): string {
    return new URL(this.#parts.url).host;
  }

  /** The error for a fault of the service. `message` needs no URL. */
  failure(message: string, isLasting = false, cause?: unknown): KvFailure {
    const { url, isNamed } = this.#parts;
    const named = isNamed ? message : `${url}: ${message}`;
    return new KvFailure(named, { lasting: isLasting, cause });
  }

  /** The error for a token that is refused; `said` is the answer of the service. */
  refusedToken(said: string): KvFailure {
    const { token } = this.#parts;
    const fault = token() === undefined ? "missing or refused" : "refused";
    return this.failure(
      `the access token is ${fault} (${said}): set ${tokenVariable} in the ` +
        `environment to a token of this database`,
      true,
    );
  }

  /**
   * Why it cannot be used; `undefined` if it answers as it should, or the reason is
   * unknown. Takes two seconds at most. Concurrent calls share the answer.
   */
  why(): Promise<KvFailure | undefined> {
    return this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
  }

  /** Ends a question that is under way. */
  end(): void {
    this.#end?.();
  }

  async #ask(): Promise<KvFailure | undefined> {
    const abort = new AbortController();
    let timer: Timer | undefined;
    const late = new Promise<"late">((resolve) => {
      this.#end = () => {
        abort.abort();
        resolve("late");
      };
      timer = this.#parts.clock.setTimer(longestQuestion, this.#end);
    });
    const asked = this.#questions(abort.signal);
    try {
      const answer = await Promise.race([asked, late]);
      if (answer !== "late") return answer;
      return this.failure(`the service does not answer: ${again}`);
    } finally {
      timer?.cancel();
    }
  }

  async #questions(signal: AbortSignal): Promise<KvFailure | undefined> {
    const { url, token } = this.#parts;
    try {
      const answer = await post(url, {
        headers: {
          "content-type": "application/json",
          ...bearer(token()),
        },
        body: JSON.stringify({ supportedVersions: versions }),
        signal,
      });
      const refusal = await this.#refusal(answer, signal);
      if (refusal !== undefined) return refusal;
      // Without the token that the client has, no more can be learnt.
      if (!answer.ok) return undefined;
      const found = metadataIn(await answer.text(), answer.url || url);
      if (typeof found === "string") {
        return this.failure(
          `${found}: is this the URL of a Deno KV database?`,
          true,
        );
      }
      return await this.#askDataPath(found, signal);
    } catch (error) {
      return error instanceof KvFailure ? error : this.#notReached(url, error);
    }
  }

  async #refusal(
    answer: Response,
    signal: AbortSignal,
  ): Promise<KvFailure | undefined> {
    const { status } = answer;
    if (answer.ok) return undefined;
    const said = await saidBy(answer, signal);
    if (status === 401 || status === 403) {
      // The client may have another token, which nothing is known of.
      if (this.#parts.token() === undefined) return undefined;
      return this.refusedToken(said);
    }
    if (status === 404 || status === 405 || status === 410) {
      return this.failure(
        `there is no database at this URL (${said}): check its path`,
        true,
      );
    }
    return isPassing(status)
      ? this.failure(`the service fails (${said}): ${again}`)
      : this.failure(`the service refuses to open it (${said})`, true);
  }

  /** Reads nothing: an empty message of the protocol asks for no keys. */
  async #askDataPath(
    { version, databaseId, endpoint, token }: Metadata,
    signal: AbortSignal,
  ): Promise<KvFailure | undefined> {
    try {
      const answer = await post(`${endpoint}/snapshot_read`, {
        headers: {
          "content-type": "application/x-protobuf",
          ...bearer(token),
          ...(version === 1 ? { "x-transaction-domain-id": databaseId } : {
            "x-denokv-database-id": databaseId,
            "x-denokv-version": `${version}`,
          }),
        },
        body: new Uint8Array(),
        signal,
      });
      const said = await saidBy(answer, signal);
      if (answer.ok) return undefined;
      return this.failure(
        `the service fails (${said}, from ${endpoint}): ${again}`,
      );
    } catch (error) {
      throw this.#notReached(endpoint, error);
    }
  }

  /** The error where a server cannot be reached. */
  #notReached(url: string, cause: unknown): KvFailure {
    const { host, hostname } = new URL(url);
    const denied = missingPermission(cause, host);
    if (denied !== undefined) return denied;
    const said = deepReason(cause);
    if (/dns error|lookup address|ENOTFOUND|EAI_AGAIN/i.test(said)) {
      return this.failure(
        `the host ${hostname} is unknown: check the URL, or the network`,
        false,
        cause,
      );
    }
    if (/certificate|CERT_|UnknownIssuer|NotValidFor|SSL|TLS/i.test(said)) {
      return this.failure(
        `${host} has no certificate that is trusted here (${
          printable(said)
        }): ` +
          `for an authority of your own set DENO_CERT, or NODE_EXTRA_CA_CERTS ` +
          `on Node and Bun, to its file`,
        false,
        cause,
      );
    }
    const hint = /refused/i.test(said) ? ": is it running there?" : "";
    return this.failure(
      `cannot connect to ${host} (${printable(said)})${hint || `: ${again}`}`,
      false,
      cause,
    );
  }
}

const again = "try again later";

/** The error for a token that is missing. */
export function missingToken(): KvFailure {
  const message = `there is no access token: set ${tokenVariable} in the ` +
    `environment to the token of the database`;
  return new KvFailure(message, { lasting: true });
}

/** Whether a later request may succeed after this status. */
function isPassing(status: number): boolean {
  return status >= 500 || [408, 425, 429].includes(status);
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

function post(
  url: string,
  init: {
    headers: Record<string, string>;
    body: string | Uint8Array<ArrayBuffer>;
    signal: AbortSignal;
  },
): Promise<Response> {
  return fetch(url, { method: "POST", ...init });
}

/** What an answer says, for a message: its status and the start of its text. */
async function saidBy(
  answer: Response,
  signal: AbortSignal,
): Promise<string> {
  const { status, statusText, headers } = answer;
  const said = `${status} ${statusText}`.trim();
  const isText = headers.get("content-type")?.startsWith("text/plain");
  const text = await answer.text().catch((error) => {
    if (signal.aborted) throw error;
    return "";
  });
  const line = isText ? printable(text) : "";
  return line === "" ? said : `${said}: ${line}`;
}

/** The first line of a text of others, for a message. */
export function printable(text: string): string {
  const line = text.trim().split(/[\r\n]/, 1)[0].replace(/\.$/, "");
  // deno-lint-ignore no-control-regex -- these could change the terminal.
  return shownText(line.replace(/[\x00-\x1f\x7f-\x9f]+/g, " "));
}

/** The part of an answer that is used, or what is wrong with it. */
function metadataIn(text: string, base: string): Metadata | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "what answers there is another service, for its answer is no JSON";
  }
  const { version, databaseId, endpoints, token } = Object(json);
  if (typeof version === "number" && !versions.includes(version)) {
    return `the service speaks version ${version} of KV Connect, which is unknown here`;
  }
  const endpoint = Array.isArray(endpoints)
    ? endpoints.find((one) => Object(one).consistency === "strong")?.url
    : undefined;
  const isComplete = typeof version === "number" && typeof token === "string" &&
    typeof databaseId === "string" && typeof endpoint === "string";
  if (!isComplete || !URL.canParse(endpoint, base)) {
    return "what answers there is another service, for its answer lacks parts";
  }
  const { href } = new URL(endpoint, base);
  return { version, databaseId, endpoint: href.replace(/\/$/, ""), token };
}

/** The error for a permission that Deno lacks. */
export function missingPermission(
  cause: unknown,
  host: string,
): KvFailure | undefined {
  if ((cause as Error | undefined)?.name !== "NotCapable") return undefined;
  const [, other] = /net access to "([^"]+)"/.exec(reasonOf(cause)) ?? [];
  return new KvFailure(
    `no permission to use it: run Deno with --allow-net=${other ?? host} ` +
      `--allow-env=${tokenVariable}`,
    { lasting: true, cause },
  );
}

/** The innermost reason: on Node the outer one says only that it failed. */
function deepReason(error: unknown): string {
  let said = reasonOf(error);
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: string };
    said = at.message === "" ? code ?? said : reasonOf(at);
    if (code !== undefined && !said.includes(code)) said += ` ${code}`;
  }
  // Of Deno's chain of reasons the last one tells most.
  return said.replace(/^.*client error \(Connect\): /, "");
}
