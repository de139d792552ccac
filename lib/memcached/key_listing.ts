import { ByteBuffer } from "../bytes/byte_buffer.ts";
import {
  askServer,
  listingKeys,
  type ReportingServer,
} from "./server_report.ts";

const keysPerBatch = 1000;
const PERCENT = "%";

/**
 * Lists all keys of a memcached, and calls `onKeys` with each batch of them. Needs
 * memcached 1.5 or later; proxies cannot do it. Throws TemporaryError if the server
 * does not list its keys.
 */
export async function listKeys(
  server: ReportingServer,
  onKeys: (keys: readonly Uint8Array[]) => Promise<void>,
): Promise<void> {
  let keys: Uint8Array[] = [];
  const flush = async () => {
    const batch = keys;
    keys = [];
    await onKeys(batch);
  };
  await askServer(server, (ask) =>
    ask(listingKeys, (line) => {
      const end = line.indexOf(" ");
      keys.push(
        unescaped(line.slice("key=".length, end < 0 ? undefined : end)),
      );
      return keys.length < keysPerBatch ? undefined : flush();
    }));
  await flush();
}

/** The bytes of a percent-encoded key. */
function unescaped(text: string): Uint8Array {
  const key = new ByteBuffer(text.length);
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== PERCENT) key.appendByte(text.charCodeAt(at));
    else {
      key.appendByte(parseInt(text.slice(at + 1, at + 3), 16));
      at += 2;
    }
  }
  return key.view();
}
