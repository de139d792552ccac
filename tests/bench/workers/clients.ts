// COUNT ENDPOINT [NAME]: clients on COUNT connections that look up one key after
// the other, like Postfix, in the socketmap NAME, or in memcached without NAME.
// Requests are prepared before, and only the end of a reply is checked.
import { keys } from "../data.mjs";
import { serve } from "./serve.mjs";

const [count, endpoint, name] = Deno.args;
const COMMA = 44;
const LF = 10;
const last = name === undefined ? LF : COMMA;

// "9:NOTFOUND ,"; memcached's "END" is shorter.
const longestMiss = 12;

const encoder = new TextEncoder();

function request(key: string): Uint8Array {
  if (name === undefined) return encoder.encode(`get a:${key}\r\n`);
  const data = `${name} ${key}`;
  return encoder.encode(`${data.length}:${data},`);
}

async function connect(): Promise<Deno.TcpConn | Deno.UnixConn> {
  const [transport, hostname, port] = endpoint.split(":");
  if (transport === "unix") {
    return await Deno.connect({ transport, path: hostname });
  }
  const connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay();
  return connection;
}

const requests = keys.map(request);
const buffers = Array.from(
  { length: Number(count) },
  () => new Uint8Array(1024),
);

await serve("served", async () => {
  const connections = await Promise.all(buffers.map(connect));
  return {
    async getAll(keys: string[]) {
      let next = 0;
      let found = 0;
      await Promise.all(connections.map(async (connection, number) => {
        const buffer = buffers[number];
        while (next < keys.length) {
          await connection.write(requests[next++]);
          let length = 0;
          do {
            const more = await connection.read(buffer.subarray(length));
            if (more === null) throw new Error("it closed");
            length += more;
          } while (buffer[length - 1] !== last);
          if (length > longestMiss) found++;
        }
      }));
      return found;
    },
    close: () => {
      for (const connection of connections) connection.close();
    },
  };
});
