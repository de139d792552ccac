import type { ReferencePage } from "./page.ts";

/** What to know of `kv:` tables. */
export const databasesPage: ReferencePage = {
  title: "kv: tables",
  summary: "tables in a file or a service of Deno KV",
  intro: [
    "A kv: table is persistent, can be written and listed, and is created when it is " +
    "first written. kv:/path/file is a file, kv:/path#NAME one of several tables in " +
    "it, kv::memory: a table that ends with the program.",
  ],
  facts: [
    "The file is a SQLite database. Whoever uses it must be able to write the file " +
    "and its folder, even for lookups. A new file is for its owner and group: mode " +
    "0640, less the umask.",
    "It may be replaced while it is open, best by mv, removed, or restored from a " +
    "copy. Within a second lookups are answered from the file that is there. What is " +
    "told to be written is in the file that is there then.",
    "While another process writes to it, it is waited for, 5 seconds at most.",
    "What a program stores in the file by Deno KV itself, not as a kv: table, may be " +
    "overwritten while -i fills an empty table.",
    "A file that is something else is left as it is. A damaged one is an error, never " +
    "an answer.",
    "A key has up to 2,000 bytes or so, a value 65,536.",
    "kv:https://HOST/PATH#NAME is a database over the network: Deno Deploy, or a " +
    "denokv of your own. Its access token is in DENO_KV_ACCESS_TOKEN. http: is for " +
    "tests and private networks, where the token may be seen. Many requests are under " +
    "way at once. A service that does not answer within 5 seconds is asked why; " +
    "within 10 seconds the request fails with the reason and the cure.",
    "The names mean what Deno takes them for: DENO_KV_PATH_PREFIX, " +
    "DENO_KV_DEFAULT_PATH and DENO_KV_DB_MODE change that.",
    "On Node and Bun the command line needs the package @deno/kv beside this one.",
  ],
};
