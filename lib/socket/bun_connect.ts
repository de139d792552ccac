import { nodeModule } from "../system/runtime.ts";

// Bun reports ECONNREFUSED for every UNIX-domain socket that it cannot connect to,
// even if the socket is busy or of another kind. The C library gives the real error.

/** The part of `bun:ffi` that is used here. */
interface Ffi {
  dlopen(
    library: string,
    functions: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Library; close(): void };
  read: { i32(address: number, offset: number): number };
}

/** Functions of the C library. */
interface Library {
  socket(domain: number, type: number, protocol: number): number;
  connect(descriptor: number, address: Uint8Array, length: number): number;
  close(descriptor: number): number;
  __errno_location(): number;
}

const functions = {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "buffer", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
};

const libraries = [
  "libc.so.6",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
];

// Constants of Linux.
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const addressLength = 110;
const errors: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  11: "EAGAIN",
  13: "EACCES",
  20: "ENOTDIR",
  91: "EPROTOTYPE",
  111: "ECONNREFUSED",
};

const cannotTell =
  "there is a socket, and Bun cannot tell whether a server uses it: " +
  "remove it if none does";

/**
 * Connects to a UNIX-domain socket on Bun and Linux, and disconnects. Throws an
 * error with the system's reason as `code`.
 */
export function connectBun(path: string): void {
  const ffi = nodeModule("bun:ffi") as Ffi | undefined;
  if (ffi === undefined) throw new Error(cannotTell);
  const { symbols, close } = openLibrary(ffi);
  try {
    const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const descriptor = symbols.socket(AF_UNIX, type, 0);
    // Looked up before connect(): any call after it could change errno.
    const errno = symbols.__errno_location();
    const result = symbols.connect(
      descriptor,
      addressOf(path),
      addressLength,
    );
    const reason = ffi.read.i32(errno, 0);
    symbols.close(descriptor);
    if (result === 0) return;
    const code = errors[reason];
    throw Object.assign(new Error(`connect: ${code ?? `error ${reason}`}`), {
      code,
    });
  } finally {
    close();
  }
}

function openLibrary(ffi: Ffi): ReturnType<Ffi["dlopen"]> {
  for (const library of libraries) {
    try {
      return ffi.dlopen(library, functions);
    } catch {
      // The C library has another name here.
    }
  }
  throw new Error(cannotTell);
}

/** A sockaddr_un. */
function addressOf(path: string): Uint8Array {
  const address = new Uint8Array(addressLength);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(new TextEncoder().encode(path), 2);
  return address;
}
