import { MailSystem } from "../../system/mail_system.ts";
import { ConfigError } from "../../errors.ts";
import { mayRead } from "../../system/files.ts";
import { byteText } from "../../bytes/text.ts";
import {
  defaultLimits,
  MessageKeys,
  type MessageLimits,
  type MessageQuery,
} from "./message_keys.ts";
import { readLines } from "../input.ts";
import { lookupInTables } from "../actions/lookup.ts";
import { lookupStandardInput } from "../actions/lookup_lines.ts";
import { formatEntry } from "../streams.ts";
import type { Session } from "../session.ts";

/**
 * `-q -` with `-b`, `-h` or `-m`: looks up lines of the message on standard
 * input. Returns the exit status.
 */
export async function lookupMessage(
  session: Session,
  query: MessageQuery,
): Promise<number> {
  const { text, output, command } = session;
  if (!query.headers && !query.body) {
    session.report.warning("-m does nothing without -b or -h");
    return await lookupStandardInput(session);
  }
  let status = 1;
  const lookup = async (keys: readonly string[]) => {
    for (const bytes of keys) {
      const key = text.utf8 ? text.decode(byteText.encode(bytes)) : bytes;
      if (key === undefined) {
        session.warnNotText(byteText.encode(bytes));
        continue;
      }
      const value = await lookupInTables(session, key);
      if (value === undefined) continue;
      status = 0;
      await output.write(formatEntry(key, value, command.json));
    }
  };
  const message = new MessageKeys(query, await readLimits(session));
  const reading = { onWait: () => output.flush() };
  for await (const lines of readLines(byteText, reading)) {
    for (const line of lines) {
      if (!message.done) await lookup(message.push(line as string));
    }
    if (message.done) break;
  }
  await lookup(message.end());
  await output.flush();
  return status;
}

async function readLimits(
  { command: { configDirectory }, report }: Session,
): Promise<MessageLimits> {
  const mail = new MailSystem({ configDirectory, onWarning: report.warning });
  if (!mayRead(mail.mainCf)) return defaultLimits;
  return {
    headerSize: await limit(mail, "header_size_limit") ??
      defaultLimits.headerSize,
    nesting: await limit(mail, "mime_nesting_limit") ?? defaultLimits.nesting,
    boundaryLength: await limit(mail, "mime_boundary_length_limit") ??
      defaultLimits.boundaryLength,
  };
}

async function limit(
  mail: MailSystem,
  name: string,
): Promise<number | undefined> {
  const setting = await mail.setting(name);
  if (setting === undefined) return undefined;
  const number = Number(setting.value);
  if (/^\+?[0-9]+$/.test(setting.value) && number >= 1 && number < 2 ** 31) {
    return number;
  }
  throw new ConfigError(
    `${name} = ${setting.value}: need a whole number from 1 to 2147483647`,
    setting,
  );
}
