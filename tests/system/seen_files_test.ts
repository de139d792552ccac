import { SeenFiles } from "../../lib/system/seen_files.ts";
import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";

Deno.test("SeenFiles notices whatever happens to a file", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("file", "content");
  const other = await folder.write("other", "content");
  const table: [string, () => Promise<unknown>][] = [
    ["written", () => folder.write("file", "CONTENT")],
    ["replaced", async () => Deno.rename(await folder.write("n", "x"), path)],
    ["touched", () => Deno.utime(path, 1, 1)],
    ["another link", async () => {
      await Deno.remove(path);
      await Deno.symlink(other, path);
    }],
    ["written behind a link", () => folder.write("other", "long content")],
  ];
  for (const [what, change] of table) {
    const files = await SeenFiles.make();
    files.see(path);
    assertEquals(files.look(), "same", what);
    await change();
    assertEquals(files.look(), "changed", what);
  }
});

Deno.test("SeenFiles waits for what is being written, or missing for a moment", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("file", "content");
  const files = await SeenFiles.make();
  files.see(path);
  for (const text of ["a", "ab", "abc"]) {
    await Deno.writeTextFile(path, text);
    assertEquals(files.look(), "changing");
  }
  assertEquals(files.look(), "changed");
  await Deno.remove(path);
  assertEquals([files.look(), files.look()], ["changing", "changed"]);
  await folder.write("file", "content");
  assertEquals(files.look(), "changed");
});

Deno.test("SeenFiles follows files that are not there yet, and no pipes", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/file`;
  const files = await SeenFiles.make();
  files.see(path);
  files.see("/dev/null");
  assertEquals(files.look(), "same");
  await folder.write("file", "content");
  assertEquals(files.look(), "changed");
});

Deno.test("SeenFiles notices a second change within a tick of the clock", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/file`;
  for (let round = 0; round < 300; round++) {
    Deno.writeTextFileSync(path, "one");
    const files = await SeenFiles.make();
    files.see(path);
    Deno.writeTextFileSync(path, "two");
    assertEquals(files.look() !== "same", true, `round ${round}`);
  }
});
