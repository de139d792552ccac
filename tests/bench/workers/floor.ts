// KIND HOST PORT: bare scripts that do the minimum of work over a socket. All
// requests are prepared before, and replies are only counted.
import { keys, values } from "../data.mjs";
import { serve } from "./serve.mjs";

const [kind, hostname, port] = Deno.args;
const perGet = 100;
// END and STORED contain this letter once, and nothing else contains it.
const D = 68;

const encoder = new TextEncoder();

const single = keys.map((key) => encoder.encode(`get a:${key}\r\n`));

const gets = encoder.encode(
  Array.from(
    { length: keys.length / perGet },
    (_, at) =>
      `get ${
        keys.slice(at * perGet, (at + 1) * perGet)
          .map((key) => `a:${key}`).join(" ")
      }\r\n`,
  ).join(""),
);

const sets = encoder.encode(
  keys.map((key, at) =>
    `set a:${key} 0 3600 ${values[at].length}\r\n${values[at]}\r\n`
  ).join(""),
);

await serve(kind, async () => {
  const connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay();
  const buffer = new Uint8Array(65536);

  const send = async (bytes: Uint8Array) => {
    for (let sent = 0; sent < bytes.length;) {
      sent += await connection.write(bytes.subarray(sent));
    }
  };
  const countReplies = async (expected: number) => {
    let replies = 0;
    while (replies < expected) {
      const length = await connection.read(buffer);
      if (length === null) throw new Error("memcached closed");
      const chunk = buffer.subarray(0, length);
      for (let at = chunk.indexOf(D); at >= 0; at = chunk.indexOf(D, at + 1)) {
        replies++;
      }
    }
    return replies;
  };
  const pipelined = async (bytes: Uint8Array, replies: number) => {
    const [counted] = await Promise.all([countReplies(replies), send(bytes)]);
    return counted;
  };

  return {
    async get(_key: string, at: number) {
      await connection.write(single[at]);
      return await connection.read(buffer);
    },
    getAll: async (keys: string[]) =>
      perGet * await pipelined(gets, keys.length / perGet),
    setAll: (keys: string[]) => pipelined(sets, keys.length),
    close: () => connection.close(),
  };
});
