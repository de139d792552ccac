#!/usr/bin/env node
// Nothing is imported at the top: an old Node could read no further.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 4)) {
  console.error(
    `memcache-table: fatal: this is Node ${process.versions.node}: ` +
      "use Node 20.4 or later, Bun or Deno",
  );
  process.exitCode = 1;
} else {
  import("./program.js");
}
