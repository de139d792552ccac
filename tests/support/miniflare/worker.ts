// Runs a module in Cloudflare's workerd, and prints where it listens.
//
// miniflare lets Workers reach this machine: its network service allows
// private addresses.
interface Miniflare {
  ready: Promise<URL>;
  dispose(): Promise<void>;
}

// Not known where this file is checked.
const library: string = "miniflare";
const { Miniflare } = await import(library) as {
  Miniflare: new (options: {
    modules: { type: "ESModule"; path: string; contents: string }[];
    compatibilityDate: string;
    kvNamespaces: string[];
  }) => Miniflare;
};

const miniflare = new Miniflare({
  // Named one by one, or it looks for what is imported, and finds no sockets.
  modules: [{
    type: "ESModule",
    path: "worker.mjs",
    contents: await Deno.readTextFile(Deno.args[0]),
  }],
  compatibilityDate: "2026-01-01",
  kvNamespaces: ["ALIASES"],
});
console.log(`${await miniflare.ready}`);

// Whoever started it closes this, also by ending in any way.
for await (const _ of Deno.stdin.readable);
await miniflare.dispose();
