import type { Connect, Socket } from "../../lib/socket/socket.ts";
import type { Random } from "./random.ts";

/** What is wrong with one connection to a server that is otherwise all right. */
export type ConnectionFault =
  /** It is refused. */
  | { readonly connect: "refused" }
  /** Connecting, a TLS handshake or a log-in never ends. */
  | { readonly connect: "hangs" }
  /** Its first reply is replaced. */
  | { readonly firstReply: string }
  /** So many bytes arrive, and then this happens. */
  | {
    readonly after: number;
    readonly then: "silence" | "end" | "reset" | "garbage";
  };

const firstReplies = [
  "SERVER_ERROR out of memory writing get response\r\n",
  "SERVER_ERROR busy\r\n",
  "CLIENT_ERROR unauthenticated\r\n",
  "ERROR\r\n",
  "ERROR Too many open connections\r\n",
  "VALUE other 0 1\r\nx\r\nEND\r\n",
  "VALUE memcache-table 0 20\r\n01234567890123456789\r\nEND\r\n",
  "VALUE memcache-table 0 99999999999\r\n",
  "STORED\r\n",
  "END\r\nEND\r\n",
  "EN",
  "\0",
  "a line that is too long".repeat(20),
];

/** A random fault. */
export function randomFault(random: Random): ConnectionFault {
  const kind = random.number();
  if (kind < 0.1) return { connect: random.pick(["refused", "hangs"]) };
  if (kind < 0.3) return { firstReply: random.pick(firstReplies) };
  return {
    // The first 5 bytes are the reply to the first request on it, `END`.
    after: random.pick([
      0,
      3,
      5,
      random.integer(6, 200),
      random.integer(6, 9e4),
    ]),
    then: random.pick(["silence", "end", "reset", "garbage"]),
  };
}

/** Makes some connections fail; they are numbered from 0. */
export function failing(
  connect: Connect,
  faultOf: (connection: number) => ConnectionFault | undefined,
): Connect {
  let made = 0;
  return async (endpoint, options) => {
    const fault = faultOf(made++);
    if (fault === undefined) return await connect(endpoint, options);
    if ("connect" in fault) {
      if (fault.connect === "refused") throw new Error("Connection refused");
      return await new Promise<Socket>((_, reject) => {
        const { signal } = options;
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    }
    const socket = await connect(endpoint, options);
    return "after" in fault
      ? cutting(socket, fault.after, fault.then)
      : replacing(socket, fault.firstReply);
  };
}

function replacing(socket: Socket, reply: string): Socket {
  let isFirst = true;
  return {
    ...passing(socket),
    read: async () => {
      const bytes = await socket.read();
      if (!isFirst || bytes === null) return bytes;
      isFirst = false;
      return new TextEncoder().encode(reply);
    },
  };
}

function cutting(
  socket: Socket,
  after: number,
  then: "silence" | "end" | "reset" | "garbage",
): Socket {
  let left = after;
  let end = () => {};
  const closed = new Promise<void>((resolve) => end = resolve);
  return {
    ...passing(socket),
    read: async () => {
      if (left > 0) {
        const bytes = await socket.read();
        if (bytes === null) return null;
        const part = bytes.subarray(0, left);
        left -= part.length;
        return part;
      }
      if (then === "end") return null;
      if (then === "reset") throw new Error("Connection reset by peer");
      if (then === "garbage") {
        // Longer than any line or value: nothing takes it for a part of a reply.
        then = "silence";
        return new Uint8Array(20000).fill(63);
      }
      await closed;
      throw new Error("operation canceled");
    },
    close: () => {
      socket.close();
      end();
    },
  };
}

function passing(socket: Socket): Socket {
  return {
    read: () => socket.read(),
    write: (data) => socket.write(data),
    close: () => socket.close(),
    setBusy: (busy) => socket.setBusy?.(busy),
  };
}
