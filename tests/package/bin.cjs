#!/usr/bin/env node
// Old versions of Node would not even read the program, and could not say why.
const { node } = process.versions;
const [major, minor] = node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 4)) {
  console.error(
    `memcache-table: fatal: this is Node ${node}: ` +
      "use Node 20.4 or later, Bun or Deno",
  );
  process.exitCode = 1;
} else {
  require("./cli.cjs");
}
