// Bun, from the source: prints what comes of the same work by each of its two
// adapters. Then it ends by itself, while a socket for which nobody waits is open.
import net, { type AddressInfo, type Socket as Peer } from "node:net";
import { connectBun } from "../../lib/socket/bun.ts";
import { connectNode } from "../../lib/socket/node.ts";
import type { Connect, Endpoint, Socket } from "../../lib/socket/socket.ts";

const { process } = globalThis as unknown as { process: { argv: string[] } };
// The path of a file, and a port where nobody listens.
const [file, nobody] = process.argv.slice(2);

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | null) =>
  bytes && new TextDecoder().decode(bytes);

/** What a promise comes to, or how it fails. */
function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.then((value) => value ?? "done", (error) => {
    const { code, message } = error as { code?: string; message: string };
    return `fails: ${code} ${message}`;
  });
}

/** Reads to the end; the number of bytes. */
async function readAll(socket: Socket): Promise<number> {
  let length = 0;
  for (let read; (read = await socket.read()) !== null;) length += read.length;
  return length;
}

/** The first client of a server, and a socket to it. */
interface Scene {
  socket: Socket;
  peer: Peer;
}

async function withPeer(
  connect: Connect,
  work: (scene: Scene) => Promise<unknown>,
): Promise<unknown> {
  const server = net.createServer({
    allowHalfOpen: true,
    pauseOnConnect: true,
  });
  const accepted = new Promise<Peer>((resolve) =>
    server.on("connection", resolve)
  );
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const { port } = server.address() as AddressInfo;
  const endpoint = { transport: "tcp", hostname: "localhost", port } as const;
  const socket = await connect(endpoint, {
    signal: new AbortController().signal,
  });
  const peer = await accepted;
  peer.on("error", () => {});
  try {
    return await work({ socket, peer });
  } finally {
    socket.close();
    socket.close();
    peer.destroy();
    server.close();
  }
}

const large = 24_000_000;

/** How many bytes a peer gets until `socket` ends, and the last of them. */
function received(peer: Peer): Promise<string> {
  let length = 0;
  let last: number | undefined;
  peer.on("data", (chunk: Uint8Array) => {
    length += chunk.length;
    last = chunk.at(-1);
  });
  peer.resume();
  return new Promise((resolve) =>
    peer.on("end", () => resolve(`${length} to ${last}`))
  );
}

/** What comes of a read during which the connection ends, and of what follows. */
async function endedDuringRead(
  socket: Socket,
  end: () => void,
): Promise<unknown[]> {
  const reading = outcome(socket.read());
  end();
  return [
    await reading,
    await outcome(socket.read()),
    await outcome(socket.write(bytes("x"))),
  ];
}

const scenes: Record<string, (scene: Scene) => Promise<unknown>> = {
  async "sends and receives"({ socket, peer }) {
    peer.on("data", (chunk: Uint8Array) => peer.write(chunk));
    peer.resume();
    await socket.write(bytes("one"));
    const one = text(await socket.read());
    await socket.write(new Uint8Array(0));
    await socket.write(bytes("two"));
    return [one, text(await socket.read())];
  },
  async "the other side ends"({ socket, peer }) {
    peer.end("last");
    return [
      text(await socket.read()),
      await socket.read(),
      await socket.read(),
    ];
  },
  "the other side resets": ({ socket, peer }) =>
    endedDuringRead(socket, () => peer.resetAndDestroy()),
  async "the other side resets after some bytes"({ socket, peer }) {
    peer.write("some");
    const read = text(await socket.read());
    peer.resetAndDestroy();
    return [read, await outcome(socket.read())];
  },
  async "the other side resets during a long write"({ socket, peer }) {
    const writing = outcome(socket.write(new Uint8Array(large)));
    peer.resetAndDestroy();
    // Each says in its way whether the reset or the write was first.
    return /^fails: (?:ECONNRESET|EPIPE)/.test(`${await writing}`);
  },
  "it is closed during a read": ({ socket }) =>
    endedDuringRead(socket, () => socket.close()),
  async "it is closed during a write"({ socket }) {
    const writing = outcome(socket.write(new Uint8Array(large)));
    socket.close();
    return /closed/.test(`${await writing}`);
  },
  async "long writes at once, for one who reads late"({ socket, peer }) {
    const rest = new Uint8Array(large).fill(7);
    let isSent = false;
    const first = socket.write(new Uint8Array(large)).then(() => isSent = true);
    const writing = [first, socket.write(rest), socket.write(bytes("z"))];
    // More than the system takes: so it has to wait for the reader.
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    const waits = !isSent;
    const got = received(peer);
    await Promise.all(writing);
    await socket.endWrite!();
    return [waits, await got];
  },
  async "it is not read, and then it is"({ socket, peer }) {
    let isSent = false;
    peer.end(new Uint8Array(large), () => isSent = true);
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    const waits = !isSent;
    return [waits, await readAll(socket)];
  },
  async "it ends, and still reads"({ socket, peer }) {
    const got = received(peer).then((all) => peer.end(`got ${all}`));
    await socket.write(bytes("abc"));
    await socket.endWrite!();
    const answer = text(await socket.read());
    await got;
    return [answer, await socket.read()];
  },
  async "somebody waits again"({ socket, peer }) {
    socket.setBusy!(false);
    const reading = socket.read();
    socket.setBusy!(true);
    peer.write("here");
    return text(await reading);
  },
};

const tcp = (hostname: string, port: string): Endpoint => ({
  transport: "tcp",
  hostname,
  port: Number(port),
});
const nowhere: Endpoint[] = [
  tcp("127.0.0.1", nobody),
  tcp("::1", nobody),
  tcp("nohost.invalid", nobody),
  { transport: "unix", path: `${file}.none` },
  { transport: "unix", path: file },
  { transport: "unix", path: `/${"n".repeat(120)}` },
];

/** Aborts before, or while it connects; no connection stays open. */
async function aborted(connect: Connect, isBefore: boolean): Promise<unknown> {
  const server = net.createServer();
  const gone = new Promise<void>((resolve) =>
    server.on("connection", (peer: Peer) => {
      peer.on("error", () => {});
      peer.on("close", () => resolve());
      peer.resume();
    })
  );
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const { port } = server.address() as AddressInfo;
  const controller = new AbortController();
  const abort = () => controller.abort(new Error("enough"));
  if (isBefore) abort();
  const connecting = outcome(
    connect(tcp("127.0.0.1", `${port}`), { signal: controller.signal }),
  );
  if (!isBefore) abort();
  const result = await connecting;
  // Node's functions stop the attempt; Bun's close what they have opened.
  if (!isBefore && connect === connectBun) await gone;
  server.close();
  return result;
}

async function observe(connect: Connect): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const [name, work] of Object.entries(scenes)) {
    seen[name] = await withPeer(connect, work);
  }
  for (const endpoint of nowhere) {
    seen[JSON.stringify(endpoint)] = await outcome(connect(endpoint, {}));
  }
  seen["aborted before"] = await aborted(connect, true);
  seen["aborted meanwhile"] = await aborted(connect, false);
  return seen;
}

const seen = [await observe(connectBun), await observe(connectNode)];
console.log(JSON.stringify(seen));

const server = net.createServer({ allowHalfOpen: true });
await new Promise<void>((resolve) =>
  server.listen(0, "127.0.0.1", () => resolve())
);
server.on("connection", (peer: Peer) => peer.unref());
server.unref();
const { port } = server.address() as AddressInfo;
const idle = await connectBun(tcp("127.0.0.1", `${port}`), {});
idle.setBusy!(false);
idle.read();
