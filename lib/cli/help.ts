import { utf8Text } from "../bytes/text.ts";
import { Output } from "./streams.ts";

/** The version of the module, as deno.json has it; a test compares them. */
export const version = "0.1.0";

/** What `--help` prints; it fits one screen. */
export const help = `\
Usage: memcache-table [options] type:name ...  |  --help  |  --version
       memcache-table check|cleanup|serve|stats|warm ...  (each has --help)

Looks up, stores and deletes in Postfix memcache tables, as postmap would.

  -q KEY    look KEY up; the first table that has it answers
  -q -      look up the keys of standard input, one a line
  -d KEY    delete KEY from every table;  -d -  the keys of standard input
  -i        store "key value" lines of standard input in the table
  -s        list the table

  -j        JSON output          -f        do not fold keys to lower case
  -u, -U    UTF-8 off, on        -r, -w    replace, keep what exists already
  -c DIR    where main.cf is     -v        say what is done; repeatable
  -F        values are files, kept as base64  (-N -n -o -p have no effect)
  -b -h -m  with -q -: keys are the body, header, MIME header lines of a mail

  check    say whether a table works      stats  what its memcached says
  cleanup  remove expired cache entries   warm   fill memcached from the backup
  serve    answer Postfix, as a socketmap

Tables: memcache:/path/file  memcache:name (of main.cf)  memcache:{ttl=60, ...}
        kv:/path  inline:{k=v, ...}  static:value  texthash:/path  fail:reason
        proxy:type:name, and the types of the installed Postfix: hash:/path ...

  memcache-table -q alice@example.com memcache:/etc/postfix/aliases.cf
  memcache-table -i memcache:/etc/postfix/aliases.cf < aliases
  memcache-table -q - "memcache:{ key_format = a:%s }" < addresses

Exit status: 0 found or done, 1 not found or failed.
`;

/** What `--version` prints. */
export const versionLine = `memcache-table ${version}\n`;

/** Prints a text of `--help` or `--version`. Returns the exit status. */
export async function describe(text: string): Promise<number> {
  const output = new Output(utf8Text);
  await output.write(text);
  await output.flush();
  return 0;
}
