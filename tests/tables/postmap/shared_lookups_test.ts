import { openTable } from "../../../mod.ts";
import { byteText } from "../../../lib/bytes/text.ts";
import {
  type RunAnswer,
  SharedLookups,
} from "../../../lib/tables/postmap/shared_lookups.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { runPostmap } from "../../support/processes.ts";

/** Runs of postmap that end when the test says so. */
class HeldRuns {
  readonly shared: SharedLookups = new SharedLookups(this);
  /** The keys of each run so far. */
  readonly runs: string[][] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  #ends: (() => void)[] = [];
  #holds = true;
  failing: string | undefined;

  async lookupOne(key: string, signal?: AbortSignal): Promise<string> {
    await this.#run([key], signal);
    if (key === this.failing) throw new Error(`${key} is bad`);
    return `${key}!`;
  }

  async lookupMany(
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<RunAnswer> {
    await this.#run(keys, signal);
    const at = keys.indexOf(this.failing ?? "");
    const values = keys.map((key) => `${key}!`);
    if (at < 0) return { values };
    const error = new Error(`${this.failing} is bad`);
    return { values: values.slice(0, at), failed: { at, error } };
  }

  #run(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    this.runs.push([...keys]);
    this.signals.push(signal);
    if (!this.#holds) return Promise.resolve();
    return new Promise((resolve) => this.#ends.push(resolve));
  }

  /** Ends the run that is under way for the longest time. */
  endOne(): void {
    this.#ends.shift()?.();
  }

  /** Ends the runs that are under way, and holds none that follow. */
  endAll(): void {
    this.#holds = false;
    while (this.#ends.length > 0) this.endOne();
  }
}

Deno.test("lookups that wait for a run of postmap share the next one", async () => {
  const held = new HeldRuns();
  const keys = ["a", "b", "c", "d", "e", "c"];
  const found = keys.map((key) => held.shared.lookup(key));
  assertEquals(held.runs, [["a"], ["b"]]);
  held.endAll();
  assertEquals(await Promise.all(found), keys.map((key) => `${key}!`));
  assertEquals(held.runs, [["a"], ["b"], ["c", "d", "e", "c"]]);
});

Deno.test("a lookup that fails costs others that share its run neither value nor error", async () => {
  const held = new HeldRuns();
  held.failing = "d";
  const found = ["a", "b", "c", "d", "e", "f"].map((key) =>
    held.shared.lookup(key)
  );
  const failed = assertRejects(() => found[3], Error, "d is bad");
  held.endAll();
  await failed;
  found.splice(3, 1);
  assertEquals(await Promise.all(found), ["a!", "b!", "c!", "e!", "f!"]);
  assertEquals(held.runs.slice(3), [["e"], ["f"]]);
});

Deno.test("only the abort of the last lookup that waits for a run ends it", async () => {
  const held = new HeldRuns();
  const first = held.shared.lookup("a");
  void held.shared.lookup("b");
  const aborts = ["c", "d", "e"].map(() => new AbortController());
  const ended = aborts.map((abort, at) =>
    assertRejects(
      () => held.shared.lookup(`${at}`, abort.signal),
      Error,
      "enough",
    )
  );
  // One that is aborted before the run begins has no part in it.
  aborts[0].abort(new Error("enough"));
  held.endOne();
  await first;
  await ended[0];
  assertEquals(held.runs[2], ["1", "2"]);
  const [, , signal] = held.signals;
  aborts[1].abort(new Error("enough"));
  await ended[1];
  assert(!signal!.aborted);
  aborts[2].abort(new Error("enough"));
  await ended[2];
  assert(signal!.aborted);
});

Deno.test("many lookups at once in a Postfix table give what each gives alone", async () => {
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration();
  const source = byteText.encode(
    Array.from(
      { length: 40 },
      (_, number) => `k${number} ${number === 33 ? "\xff" : `v${number}`}\n`,
    ).join("") + '"t\tab" tab\nempty \\ \n',
  );
  const name = `hash:${await folder.write("t", source)}`;
  await runPostmap(["-c", configDirectory, "-u", name]);
  await using table = await openTable(name, {
    configDirectory,
    utf8: true,
    onWarning: () => {},
  });
  const keys = Array.from({ length: 45 }, (_, number) => `K${number}`);
  keys.push("t\tab", "a\nb", "", "\0", "empty", "-q", "k1", "k1", "käse");
  const outcome = async (key: string) =>
    await table.lookup(key).catch((error) => String(error));
  const alone: (string | undefined)[] = [];
  for (const key of keys) alone.push(await outcome(key));
  const together = await Promise.all(keys.map(outcome));
  assertEquals(together, alone);
  assertStringIncludes(together[33]!, "not UTF-8");
});
