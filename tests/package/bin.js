#!/usr/bin/env node
// No import at the top: an old Node would fail before it reads the check below.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 4)) {
  console.error(
    `memcache-table: fatal: this is Node ${process.versions.node}: ` +
      "use Node 20.4 or later, Bun or Deno",
  );
  process.exitCode = 1;
} else {
  import("./cli.js");
}
