import {
  ConfigError,
  NotUtf8Error,
  ReadOnlyError,
  TemporaryError,
} from "../errors.ts";
import { byteText, configBytes, type Text, utf8Text } from "../bytes/text.ts";
import {
  type CommandLine,
  isSingleLookup,
  plainLookup,
  UsageError,
} from "./command_line.ts";
import { lookupKey, printValue } from "./actions/lookup.ts";
import { BrokenPipe, Output, Report, StreamError } from "./streams.ts";
import { MailSystem } from "../system/mail_system.ts";
import { Session, type SessionParts, Utf8InDoubt } from "./session.ts";
import { Interrupted } from "./stop_signals.ts";
import { terminal } from "./terminal.ts";

// The status that a shell reports when SIGPIPE ends a program, such as postmap.
const brokenPipeStatus = 141;

/** Runs the command line. Returns the exit status. Never throws. */
export async function main(args: readonly string[]): Promise<number> {
  let report = new Report(false);
  try {
    await terminal.load?.();
    if (mayBeDamaged(args)) args = await withRawArguments(args);
    let command = plainLookup(args);
    // A single value is too short to need it, and it takes a while.
    const isSingle = command !== undefined && isSingleLookup(command);
    if (!isSingle) terminal.ignoreFileSizeSignal?.();
    if (isWord(args[0])) {
      const { runWord } = await import("./words.ts");
      return await runWord(args);
    }
    command ??= await parse(args);
    report = new Report(command.verbose > 0);
    return await runCommand(command, report);
  } catch (error) {
    if (error instanceof BrokenPipe) return brokenPipeStatus;
    if (error instanceof Interrupted) return terminal.endBySignal(error.by);
    report.fatal(explain(error));
    return 1;
  }
}

/** Whether the runtime has replaced bytes of an argument that are not UTF-8. */
function mayBeDamaged(args: readonly string[]): boolean {
  return args.some((argument) => argument.includes("\ufffd"));
}

/** Restores arguments that are not UTF-8. */
async function withRawArguments(
  args: readonly string[],
): Promise<readonly string[]> {
  const { readRawArguments } = await import("./input.ts");
  return await readRawArguments(args);
}

/** Whether an argument is neither an option nor a table. */
function isWord(argument: string | undefined): boolean {
  return argument !== undefined && !argument.startsWith("-") &&
    !argument.includes(":");
}

async function parse(args: readonly string[]): Promise<CommandLine> {
  const { parseCommandLine } = await import("./arguments.ts");
  return parseCommandLine(args);
}

async function runCommand(
  command: CommandLine,
  report: Report,
): Promise<number> {
  if (command.action === "help" || command.action === "version") {
    const { printText, helpOn, versionLine } = await import("./help.ts");
    return await printText(
      command.action === "help" ? await helpOn(command.tables) : versionLine,
    );
  }
  const { configDirectory } = command;
  const mail = new MailSystem({ configDirectory, onWarning: report.warning });
  const run = (text: Text, assumesUtf8 = false) =>
    runSession(command, { text, assumesUtf8, mail, report });
  if (command.utf8 === undefined && needsNoUtf8Setting(command)) {
    try {
      return await run(utf8Text, true);
    } catch (error) {
      if (error instanceof NotUtf8Error) {
        return await runWithoutUtf8(command, mail, error, run);
      }
      if (!(error instanceof Utf8InDoubt)) throw error;
    }
  }
  return await run(await chooseText(command, mail));
}

// With an ASCII key, UTF-8 support matters only if the value is not UTF-8, or a line
// of a source file. So main.cf need not be read for most commands.
function needsNoUtf8Setting(command: CommandLine): boolean {
  return isSingleLookup(command) &&
    [command.key, ...command.tables].every((text) => isAscii.test(text));
}

async function runWithoutUtf8(
  command: CommandLine,
  mail: MailSystem,
  error: NotUtf8Error,
  run: (text: Text) => Promise<number>,
): Promise<number> {
  const text = await chooseText(command, mail);
  if (text.utf8) throw error;
  // The value is complete only if it comes from the table itself, not from its
  // backup, and need not be decoded.
  if (command.fileValues || !command.tables.includes(error.table)) {
    return await run(text);
  }
  const value = text.decode(error.value)!;
  await printValue(new Output(text), command, command.key, value);
  return 0;
}

// deno-lint-ignore no-control-regex -- ASCII is what it is
const isAscii = /^[\x00-\x7f]*$/;

async function chooseText(
  { utf8 }: CommandLine,
  mail: MailSystem,
): Promise<Text> {
  return (utf8 ?? await mail.smtputf8()) ? utf8Text : byteText;
}

async function runSession(
  command: CommandLine,
  parts: SessionParts,
): Promise<number> {
  if (command.action !== "load") {
    return await runAndClose(new Session(command, parts));
  }
  const { untilInterrupted } = await import("./interruption.ts");
  return await untilInterrupted((interruption) =>
    runAndClose(new Session(command, { ...parts, interruption }))
  );
}

async function runAndClose(session: Session): Promise<number> {
  try {
    return await runAction(session);
  } catch (error) {
    // As in postmap, the rest is not written after a failure.
    const isOfOutput = error instanceof BrokenPipe ||
      error instanceof StreamError;
    if (!isOfOutput) await session.output.flushBlocks();
    throw error;
  } finally {
    await session.close();
  }
}

async function runAction(session: Session): Promise<number> {
  const { action, key, message } = session.command;
  const standardInput = key === "-";
  switch (action) {
    case "lookup": {
      if (message !== undefined) {
        const { lookupMessage } = await import("./message/lookup_message.ts");
        return await lookupMessage(session, message);
      }
      if (!standardInput) return await withKey(session, lookupKey);
      const { lookupStandardInput } = await import("./actions/lookup_lines.ts");
      return await lookupStandardInput(session);
    }
    case "delete": {
      const { deleteKey, deleteStandardInput } = await import(
        "./actions/delete.ts"
      );
      if (!standardInput) return await withKey(session, deleteKey);
      return await deleteStandardInput(session);
    }
    case "load": {
      const { loadStandardInput } = await import("./actions/load.ts");
      return await loadStandardInput(session);
    }
    default: {
      const { listEntries } = await import("./actions/list.ts");
      return await listEntries(session);
    }
  }
}

/** Runs an action for the key of the command line, if that is valid text. */
async function withKey(
  session: Session,
  action: (session: Session, key: string) => Promise<number>,
): Promise<number> {
  const bytes = configBytes(session.command.key);
  const key = session.text.decode(bytes);
  if (key !== undefined) return await action(session, key);
  session.warnNotText(bytes);
  return 1;
}

function explain(error: unknown): string {
  if (
    error instanceof ConfigError || error instanceof TemporaryError ||
    error instanceof ReadOnlyError || error instanceof UsageError ||
    error instanceof StreamError
  ) return error.message;
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  return String(error);
}
