#!/usr/bin/env node
// A script, no module: Node starts it sooner, and so it does what it requires. Old
// versions would not even read a module, and could not say why.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 4)) {
  console.error(
    `memcache-table: fatal: this is Node ${process.versions.node}: ` +
      "use Node 20.4 or later, Bun or Deno",
  );
  process.exitCode = 1;
} else if (process.features.require_module || process.versions.bun) {
  require("./cli.js");
} else {
  import("./cli.js");
}
