import type { ReferencePage } from "./page.ts";

/** What `check` looks for in main.cf and master.cf. */
export const rulesPage: ReferencePage = {
  title: "What check looks for",
  summary: "the rules of check, and what is only a warning",
  intro: [
    "check reads the table, asks its server and its backup, and reads main.cf and " +
    "master.cf, with -o, to see what Postfix does with the table. check --all finds " +
    "every memcache table there, and in the other instances of " +
    "multi_instance_directories.",
  ],
  facts: [
    "Names that are no parameter, and the parameter that was probably meant.",
    "Values that cannot work, such as a ttl in the past, or a data_size_limit above " +
    "what the server stores.",
    "Tables that share a server and a key_format: their entries can be mixed up.",
    "An error: a memcache table in alias_maps, alias_database, " +
    "mailbox_command_maps, virtual_mailbox_maps, virtual_uid_maps or " +
    "virtual_gid_maps, also behind proxy:, pipemap: and unionmap:. Whoever reaches " +
    "the memcached could become another user, so Postfix refuses it.",
    "As postscreen_cache_map or address_verify_map: a cleanup interval other than 0 " +
    "where there is no backup, a ttl that is shorter than Postfix keeps results, or " +
    "two instances that clean the same backup.",
    "A proxy: backup that is not in proxy_read_maps, or for these caches in " +
    "proxy_write_maps.",
    "A socket that the user of Postfix may not enter, or that a chroot does not have.",
    "A table with tls: or a log-in that main.cf names: Postfix itself cannot use it; " +
    "serve can.",
    "A warning: a server on another host, without encryption; a password that other " +
    "users can read. A note: a kv: file of aliases that every user can read.",
  ],
};
