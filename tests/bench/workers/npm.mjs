// KIND CLIENT PACKAGES HOST PORT: a client from npm, on Node, Bun or Deno.
import { createRequire } from "node:module";
import process from "node:process";
import { serve } from "./serve.mjs";

const [kind, client, packages, host, port] = process.argv.slice(2);
const { connect } = await import(`../peers/${client}.mjs`);
const required = createRequire(`${packages}/`)(client);
await serve(kind, () => connect(required, `${host}:${port}`));
