// Runs a module in Cloudflare's workerd, and prints its address. miniflare allows
// Workers to connect to private addresses, and so to this machine.
interface Miniflare {
  ready: Promise<URL>;
  dispose(): Promise<void>;
}

// A variable, because the package is not installed when this file is checked.
const library: string = "miniflare";
const { Miniflare } = await import(library) as {
  Miniflare: new (options: {
    modules: { type: "ESModule"; path: string; contents: string }[];
    compatibilityDate: string;
    kvNamespaces: string[];
    bindings: Record<string, string>;
  }) => Miniflare;
};

const miniflare = new Miniflare({
  // Listed here, because otherwise miniflare fails to find cloudflare:sockets.
  modules: [{
    type: "ESModule",
    path: "worker.mjs",
    contents: await Deno.readTextFile(Deno.args[0]),
  }],
  compatibilityDate: "2026-01-01",
  kvNamespaces: ["ALIASES"],
  bindings: JSON.parse(Deno.args[1]),
});
console.log(`${await miniflare.ready}`);

// Standard input closes when the parent process closes it or ends.
for await (const _ of Deno.stdin.readable);
await miniflare.dispose();
