import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import type { Runtime, World } from "./requirements.ts";

/** Servers for one runtime, and the means to have things done to them. */
export class Stage implements AsyncDisposable {
  /** What the runtime is told of it. */
  readonly world: World;
  #owned: AsyncDisposable[];

  private constructor(world: World, owned: AsyncDisposable[]) {
    this.world = world;
    this.#owned = owned;
  }

  static async set(runtime: Runtime): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await Folder.make());
    await Deno.chmod(folder.path, 0o777);
    const port = freePort();
    let tcp = await Memcached.tcp(port);
    stack.defer(() => tcp[Symbol.asyncDispose]());
    const ipv6 = stack.use(await Memcached.tcp(freePort("::1"), "::1"));
    const unix = stack.use(await Memcached.unix(`${folder.path}/mc.sock`));
    const jobs: Record<string, () => Promise<void>> = {
      pause: () => tcp.signal("SIGSTOP"),
      resume: () => tcp.signal("SIGCONT"),
      restart: async () => {
        await tcp.stop();
        tcp = await Memcached.tcp(port);
      },
    };
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        await jobs[new URL(request.url).pathname.slice(1)]();
        return new Response("done");
      },
    );
    stack.defer(() => server.shutdown());
    const world: World = {
      runtime,
      tcp: tcp.server,
      ipv6: ipv6.server,
      unix: unix.server,
      nobody: `inet:127.0.0.1:${freePort()}`,
      control: `http://127.0.0.1:${server.addr.port}`,
      configuration: await folder.write("t.cf", `memcache = ${tcp.server}\n`),
      installed: `regexp:${await folder.write("r", "/^alice$/ found\n")}`,
    };
    return new Stage(world, [stack.move()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#owned) await one[Symbol.asyncDispose]();
  }
}
