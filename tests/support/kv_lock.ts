// Runs in another process, because a process is not blocked by its own locks.
const holder = `
import { DatabaseSync } from "node:sqlite";
const [file, ...commands] = Deno.args;
const database = new DatabaseSync(file);
for (const command of commands) database.exec(command);
console.log("locked");
await Deno.stdin.read(new Uint8Array(1));
database.close();
`;

/** Another process that keeps a database locked until this is disposed. */
export class KvLock implements AsyncDisposable {
  #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** The process ID. */
  get process(): number {
    return this.#child.pid;
  }

  /** Locks a database with SQL commands. Returns when it is locked. */
  static async take(
    file: string,
    commands: readonly string[] = ["BEGIN IMMEDIATE"],
  ): Promise<KvLock> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", holder, file, ...commands],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    await reader.cancel();
    if (done) throw new Error("cannot lock the database");
    return new KvLock(child);
  }

  /** Unlocks the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}
