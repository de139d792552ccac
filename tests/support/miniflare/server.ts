// Serves real Workers KV over HTTP: `PUT /NAMESPACE?key=…` and the like. It has its
// own deno.json, so that no other program loads the 190 MB of miniflare.
import type { WorkersKvNamespace } from "../../../lib/tables/kv/workers_kv.ts";

interface Miniflare {
  getKVNamespace(name: string): Promise<WorkersKvNamespace>;
  dispose(): Promise<void>;
}

// A variable, because the package is not installed when this file is checked.
const library: string = "miniflare";
const { Miniflare } = await import(library) as {
  Miniflare: new (
    options: { modules: true; script: string; kvNamespaces: string[] },
  ) => Miniflare;
};

const miniflare = new Miniflare({
  modules: true,
  script: "export default { fetch: () => new Response() };",
  kvNamespaces: Array.from(
    { length: Number(Deno.args[0]) },
    (_, number) => `${number}`,
  ),
});

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const namespace = await miniflare.getKVNamespace(pathname.slice(1));
  const key = searchParams.get("key");
  if (key === null) {
    return Response.json(await namespace.list(await request.json()));
  }
  switch (request.method) {
    case "PUT":
      await namespace.put(key, new Uint8Array(await request.arrayBuffer()));
      return new Response();
    case "DELETE":
      await namespace.delete(key);
      return new Response();
    default: {
      const value = await namespace.get(key, "arrayBuffer");
      return new Response(value, { status: value === null ? 404 : 200 });
    }
  }
}

await miniflare.getKVNamespace("0");
const server = Deno.serve(
  {
    port: 0,
    hostname: "127.0.0.1",
    onListen: ({ port }) => console.log(port),
  },
  (request) =>
    answer(request).catch((error) =>
      new Response(error.message, { status: 500 })
    ),
);

// Standard input closes when the parent process closes it or ends.
for await (const _ of Deno.stdin.readable);
await server.shutdown();
await miniflare.dispose();
