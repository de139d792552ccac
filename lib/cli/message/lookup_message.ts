import { parseWholeNumber } from "../../config/whole_number.ts";
import type { MailSystem } from "../../system/mail_system.ts";
import { ConfigError } from "../../errors.ts";
import { mayRead } from "../../system/files.ts";
import {
  defaultLimits,
  MessageKeys,
  type MessageLimits,
  type MessageQuery,
} from "./message_keys.ts";
import { readMessageKeys } from "./key_chunks.ts";
import { lookupChunks, lookupStandardInput } from "../actions/lookup_lines.ts";
import type { Session } from "../session.ts";

/**
 * `-q -` with `-b`, `-h` or `-m`: looks up lines of the message on standard
 * input. Returns the exit status.
 */
export async function lookupMessage(
  session: Session,
  query: MessageQuery,
): Promise<number> {
  if (!query.headers && !query.body) {
    session.report.warning("-m does nothing without -b or -h");
    return await lookupStandardInput(session);
  }
  const message = new MessageKeys(query, await readLimits(session));
  return await lookupChunks(
    session,
    (reading) => readMessageKeys(message, reading),
  );
}

async function readLimits({ mail }: Session): Promise<MessageLimits> {
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
  const number = parseWholeNumber(setting.value);
  if (number >= 1) return number;
  throw new ConfigError(
    `${name} = ${setting.value}: need a whole number from 1 to 2147483647`,
    setting,
  );
}
