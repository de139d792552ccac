import { configText } from "../../bytes/text.ts";
import { ConfigError, shownText } from "../../errors.ts";
import {
  type Credentials,
  encodeLogIn,
  logIn,
} from "../../memcached/log_in.ts";
import { formatEndpoint } from "../../socket/endpoint.ts";
import type { Connect } from "../../socket/socket.ts";
import { environment } from "../../system/files.ts";
import { type Opening, readBytes } from "../opening.ts";
import { atParameter } from "./parameter_source.ts";
import type { AccessParameters, ParameterSource } from "./parameters.ts";

const prefix = "credential:";

/**
 * The file that `password_file` names. Throws {@linkcode ConfigError} when it names
 * a credential of systemd, and there are none.
 */
export function passwordFile(
  written: string,
  password_file: string,
): string {
  if (!password_file.startsWith(prefix)) return password_file;
  const name = password_file.slice(prefix.length);
  const what = `${written} = ${shownText(password_file)}`;
  if (name === "" || name.includes("/")) {
    throw new ConfigError(`${what}: need ${prefix}NAME, a name without "/"`);
  }
  const directory = environment("CREDENTIALS_DIRECTORY");
  if (directory === undefined || directory === "") {
    throw new ConfigError(
      `${what}: there is no $CREDENTIALS_DIRECTORY, or this program may not read ` +
        "it (--allow-env=CREDENTIALS_DIRECTORY): systemd sets it for a unit with " +
        `LoadCredential=${name}:/path/file`,
    );
  }
  return `${directory}/${name}`;
}

/**
 * Returns a `connect` that logs in with the user and the password of a table. It reads
 * a password file now, and again for each connection, because the password may change.
 *
 * Throws {@linkcode ConfigError} when user and password cannot be used. Later the
 * result throws it. With a backup it fails instead as if it could not connect, so that
 * the backup answers.
 */
export async function loggingIn(
  connect: Connect,
  { name, options }: Pick<Opening, "name" | "options">,
  source: ParameterSource,
  { user, password, password_file }: AccessParameters,
  hasBackup: boolean,
): Promise<Connect> {
  const fail = (message: string, parameter: keyof AccessParameters) =>
    new ConfigError(`${name}: ${message}`, source.setting(parameter));
  const written = source.written("password_file");
  if (password !== "" && password_file !== "") {
    throw fail(
      `${
        source.written("password")
      } and ${written} are both set: keep one of them`,
      "password_file",
    );
  }
  const find = async (): Promise<Credentials> => {
    if (password_file === "") return { user, password };
    let path: string;
    try {
      path = passwordFile(written, password_file);
    } catch (error) {
      throw fail((error as ConfigError).message, "password_file");
    }
    const bytes = await atParameter(
      name,
      source,
      "password_file",
      () => readBytes(options, path),
    );
    const text = configText(bytes);
    const line = text.replace(/\r?\n[^]*/, "");
    if (line === "") {
      throw new ConfigError(
        "its first line is empty: write the password there",
        { file: path },
      );
    }
    return { user, password: line };
  };
  const first = await find();
  try {
    encodeLogIn(first);
  } catch (error) {
    throw fail(
      (error as ConfigError).message,
      user === "" ? "password" : "user",
    );
  }
  // For example a permission that is missing. The backup must not hide that.
  const ofSocket = new WeakSet<Error>();
  const open: Connect = async (endpoint, given) => {
    try {
      return await connect(endpoint, given);
    } catch (error) {
      if (error instanceof ConfigError) ofSocket.add(error);
      throw error;
    }
  };
  // These name the table or its file already.
  const ofParameters = new WeakSet<Error>();
  const connectLoggedIn = logIn(open, async () => {
    try {
      return await find();
    } catch (error) {
      if (error instanceof ConfigError) ofParameters.add(error);
      throw error;
    }
  });
  return async (endpoint, given) => {
    try {
      return await connectLoggedIn(endpoint, given);
    } catch (error) {
      if (!(error instanceof ConfigError) || ofSocket.has(error)) throw error;
      if (hasBackup) {
        // The error for "cannot connect" names the server already.
        const server = `memcached at ${formatEndpoint(endpoint)} `;
        throw new Error(error.message.replace(server, "it "));
      }
      if (ofParameters.has(error)) throw error;
      throw new ConfigError(`${name}: ${error.message}`, { cause: error });
    }
  };
}
