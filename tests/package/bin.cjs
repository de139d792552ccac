#!/usr/bin/env node
// Old versions of Node would not even read the program, and could not say why.
const { bun, node } = process.versions;
const [major, minor] = node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 4)) {
  console.error(
    `memcache-table: fatal: this is Node ${node}: ` +
      "use Node 20.4 or later, Bun or Deno",
  );
  process.exitCode = 1;
} else {
  // Bun then keeps what it compiled in a folder of the user's below the temporary
  // one. Node would do so too, but it trusts the folder whoever owns it.
  if (bun) require("node:module").enableCompileCache?.();
  require("./cli.cjs");
}
