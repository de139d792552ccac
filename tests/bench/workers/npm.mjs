// KIND CLIENT PACKAGES HOST PORT [AUTHORITY]: a client from npm, on Node, Bun or Deno,
// over TLS where there is an authority.
import { createRequire } from "node:module";
import process from "node:process";
import { serve } from "./serve.mjs";

const [kind, client, packages, host, port, authority] = process.argv.slice(2);
const { connect } = await import(`../peers/${client}.mjs`);
const required = createRequire(`${packages}/`)(client);
await serve(kind, () => connect(required, `${host}:${port}`, authority));
