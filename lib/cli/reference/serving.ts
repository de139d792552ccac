import type { ReferencePage } from "./page.ts";

/** How `serve` behaves. */
export const servingPage: ReferencePage = {
  title: "Serving tables to Postfix",
  summary: "how serve answers, its limits, its signals",
  intro: [
    "In main.cf, a table of serve is socketmap:PLACE:NAME. Postfix asks a socketmap " +
    "for whole addresses only: not for user without its +extension, and not for " +
    "@domain. A service in a chroot, as Debian has them, reaches a place outside by " +
    "proxy:socketmap:PLACE:NAME.",
  ],
  facts: [
    "A table that fails is answered with TEMP, one that must be changed with PERM, " +
    "and a lookup of more than --timeout seconds with TIMEOUT.",
    "There is one line in the log when an outage starts, and one when it ends, with " +
    "its length and the number of requests that failed or that the backup answered. " +
    "Lines that go to the journal have priorities, for journalctl -p warning.",
    "A table is opened again within about a second after one of its files has " +
    "changed: its own, main.cf for memcache:name, the source of a texthash:, the " +
    "files of a domain list. No lookup is lost. A table that cannot be opened any " +
    "more stays as it was, with one warning.",
    "SIGHUP opens all tables again, and reads main.cf and all files again. Lookups " +
    "under way are answered by the old tables. SIGTERM answers what was asked, " +
    "within 10 seconds, and ends. A second SIGTERM ends at once.",
    "A client may send requests ahead. A client has 256 unanswered requests at most, " +
    "all have 10,000, and what waits for them takes 64 MB at most. A client that " +
    "does not read its replies has to wait, and no other client does. When others " +
    "need the memory that it holds, it is disconnected.",
    "A request of more than 102,400 bytes is answered with NOTFOUND. A reply has " +
    "100,000 bytes at most; a longer value is answered with PERM.",
    "A client is disconnected after --idle seconds of silence, or when it takes more " +
    "than 10 seconds to send a request. When --clients are connected, one more is " +
    "disconnected at once.",
    "The file of a unix:PATH has its mode, --mode, from the first moment. By default " +
    "its owner and group may connect: add the user postfix to the group, and restart " +
    "Postfix. What a dead server left at PATH is replaced; anything else is left " +
    "alone, and the start fails.",
    "--metrics PLACE answers HTTP requests, without a password: /metrics is for " +
    "Prometheus, /healthz is 200 when every table answers a lookup within --timeout, " +
    "else 503 with a line for each table that does not.",
    "A start that lacks a permission which a table needs is refused. A server that " +
    "does not answer yet is not waited for.",
  ],
};
