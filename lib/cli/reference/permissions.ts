import type { ReferencePage } from "./page.ts";

/** The permissions that Deno needs. */
export const permissionsPage: ReferencePage = {
  title: "Permissions of Deno",
  summary: "what Deno has to allow, by what is used",
  intro: [
    "Deno gives a program no access that it is not started with. Each message about " +
    "a permission that is missing names it. The installed command has those that " +
    "any table may need; a service can do with less.",
  ],
  terms: [
    ["a memcached on TCP", "--allow-net=HOST:PORT"],
    [
      "a memcached on a UNIX-domain socket",
      "--allow-net=unix:PATH --allow-read=PATH --allow-write=PATH",
    ],
    [
      "a memcached on tls:HOST:PORT",
      "--allow-net=HOST:PORT, and --allow-read of the files of its parameters",
    ],
    ["files of parameters, files of -F", "--allow-read=DIR"],
    ["a port by its service name", "--allow-read=/etc/services"],
    [
      "a kv: table in a file",
      "--allow-read=DIR --allow-write=DIR of its folder, and --unstable-kv",
    ],
    [
      "a kv:https://HOST/PATH table",
      "--allow-net=HOST --allow-env=DENO_KV_ACCESS_TOKEN, and --unstable-kv; HOST " +
      "also where the service has its data",
    ],
    [
      "DENO_KV_PATH_PREFIX and its like",
      "--allow-env=DENO_KV_PATH_PREFIX,DENO_KV_DEFAULT_PATH,DENO_KV_DB_MODE",
    ],
    [
      "a proxy: table",
      "--allow-net=unix:PATH --allow-read=PATH --allow-write=PATH of the socket of " +
      "proxymap under queue_directory; as root or postfix",
    ],
    ["a type of the installed Postfix", "--allow-run=postmap"],
    [
      "sync of more than 8,000 entries",
      "--allow-read=/tmp --allow-write=/tmp, or of $TMPDIR with --allow-env=TMPDIR",
    ],
    [
      "smtputf8_enable, memcache:name",
      "--allow-read=/etc/postfix/main.cf; without it UTF-8 support is on",
    ],
    [
      "$mydomain and its like in main.cf, where myhostname is not set",
      "--allow-sys=hostname",
    ],
    [
      "password_file = credential:NAME",
      "--allow-env=CREDENTIALS_DIRECTORY",
    ],
    ["MAIL_CONFIG", "--allow-env=MAIL_CONFIG"],
    [
      "priorities of serve in the journal",
      "--allow-env=JOURNAL_STREAM",
    ],
    [
      "serve --socketmap unix:PATH",
      "--allow-net=unix:PATH --allow-read=PATH --allow-write=PATH, and --allow-sys " +
      "where the umask would let more people connect than --mode does",
    ],
  ],
};
