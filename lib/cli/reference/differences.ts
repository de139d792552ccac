import type { ReferencePage } from "./page.ts";

/** What is not as in postmap and in Postfix's own memcache client. */
export const differencesPage: ReferencePage = {
  title: "What differs from postmap",
  summary: "what is not as in postmap, and why",
  intro: [
    "Options, output, answers and exit statuses are those of postmap of Postfix " +
    "3.7, with these exceptions.",
  ],
  facts: [
    "It writes to memcache tables: -i. postmap can only look up and delete.",
    "A line of -i that cannot be used makes the exit status 1; postmap warns and " +
    "returns 0. So does a -d key that is not UTF-8. A line of -i with a null byte " +
    "cannot be used; postmap ends it there.",
    "An entry that memcached or the backup refuses does not end -i. A warning names " +
    "its line and key, the rest is stored, the last line counts both, and the exit " +
    "status is 1. After 1000 refusals in a row it ends.",
    "A fatal error ends the program at once; postmap waits a second first.",
    "-d opens all tables before it deletes from the first, so a wrong name changes " +
    "nothing. With several tables, -d - deletes a batch of keys from the first " +
    "table, then from the next one.",
    "Keys with control characters are skipped, as those with white space are. Keys " +
    "of more than 250 bytes are never sent. memcached takes neither.",
    "A reply with the value of another key is a failure; postmap takes it for the " +
    "value of the key that it asked for. Bytes that nobody asked for close the " +
    "connection; postmap takes them for the answer to its next request.",
    "A connection that the server closed while it was idle is replaced at once, " +
    "without a pause, and does not count as a try. With max_try above 1 that also " +
    "holds for a connection that is closed between two replies.",
    "No request takes longer than max_try x timeout + (max_try - 1) x retry_pause, " +
    "however many are under way.",
    "A refusal of one entry (too large, out of memory) is tried again without a " +
    "pause. A server that answers nothing on 16 connections in a row has failed for " +
    "all requests.",
    "While many keys are looked up, there may be several connections: see the " +
    "parameter connections.",
    "Where there is a backup and memcached is known to fail, a request has one try. " +
    "After a time-out memcached is not asked at all for retry_pause seconds.",
    "Where there is a backup, there is one warning when memcached fails, not one for " +
    "each key. A key that is too long for memcached is a warning once. Without a " +
    "backup it is an error of that lookup.",
    "An update or delete that reaches the backup, but not memcached, leaves an old " +
    "value there. The table remembers up to 100,000 such keys, answers them " +
    "from the backup, and removes them from memcached when that answers again. If it is " +
    "closed before, it warns, with the number of keys: then run memcache-table warm.",
    "What the backup refuses, or keeps because of -w, does not stay in memcached.",
    "Keys of standard input are looked up many at a time. When one fails, keys behind " +
    "it may have been asked for already; the output is the same.",
    "A missing main.cf means defaults; postmap refuses to run.",
    "A byte order mark at the start of a file is part of the first name or key, as in " +
    "postmap, but there is a warning. Deno cannot open files whose names are not " +
    "UTF-8; Node and Bun can.",
    "A port above 65535 is refused; postmap connects to another one.",
    "Tables that name each other are at most 20 deep, and 1000 in all. A value of " +
    "main.cf has at most 16,777,216 characters when it is expanded.",
    "A key that lmdb: cannot have, empty or of more than 511 bytes, is not found; " +
    "postmap ends with a fatal error.",
    "An option behind a table is refused; postmap takes it for a table. So are -i " +
    "beside -q, -d or -s, and a second table of -s or -i: postmap ignores them.",
    "A table must have a type: /etc/aliases alone is refused, where postmap takes the " +
    "default_database_type of main.cf.",
    "-U turns UTF-8 support on whatever smtputf8_enable says; postmap then leaves it " +
    "off.",
    "A line of standard input of more than 1 MiB is refused. A last line that ends in " +
    "the byte 255, without a line end, is a key too; postmap does not see it.",
    "Deno drops a carriage return at the end of an argument: give such a key on " +
    "standard input.",
  ],
};
