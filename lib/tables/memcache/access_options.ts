import type { TableOptions } from "../../table.ts";
import type { AccessParameters, ParameterSource } from "./parameters.ts";

/** The options of a table that stand for its access parameters. */
export type AccessOptions = Pick<TableOptions, "user" | "password" | "tls">;

/**
 * The parameters of a table whose options win: one that is given replaces all
 * parameters that mean the same. The texts of certificates and keys have no
 * parameters; only the files that they replace are left out here.
 */
export function withOptions(
  source: ParameterSource,
  { user, password, tls = {} }: AccessOptions,
): ParameterSource {
  const given = new Map<string, string>();
  const set = (name: keyof AccessParameters, value: string) =>
    given.set(name, value);
  if (user !== undefined) set("user", user);
  if (password !== undefined) {
    set("password", password);
    set("password_file", "");
  }
  const { caCerts, cert, serverName, verify } = tls;
  if (caCerts !== undefined) set("tls_CAfile", "");
  if (cert !== undefined) {
    set("tls_cert_file", "");
    set("tls_key_file", "");
  }
  if (serverName !== undefined) set("tls_server_name", serverName);
  if (verify !== undefined) set("tls_verify_cert", verify ? "yes" : "no");
  return {
    ...source,
    setting(name) {
      const value = given.get(name);
      if (value === undefined) return source.setting(name);
      return value === "" ? undefined : { value };
    },
  };
}
