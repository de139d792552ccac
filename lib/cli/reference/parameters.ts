import {
  allParameterNames,
  defaultAccess,
  defaultParameters,
  type ParameterName,
} from "../../tables/memcache/parameters.ts";
import type { ReferencePage } from "./page.ts";

const texts: Record<ParameterName, string> = {
  memcache:
    "The server: inet:HOST:PORT, inet:[IPV6]:PORT, unix:PATH, or tls:HOST:PORT, " +
    "which Postfix does not have. A table has one server. To use several, name a " +
    "proxy that knows them, such as twemproxy (nutcracker) or mcrouter.",
  backup:
    "The persistent backup, a type:name. A lookup asks memcached first, then the " +
    "backup, and stores what it finds there in memcached. An update or delete goes " +
    "to both, and the result is that of the backup. Empty: there is none.",
  flags:
    "A number that memcached stores with each value. Lookups do not look at it.",
  ttl:
    "How many seconds memcached keeps a value. 0: no limit. More than 2592000 (30 " +
    "days) is not a duration for memcached, but an absolute Unix time.",
  key_format:
    "How the memcache key is made of a lookup key. %s is the whole key, " +
    "%u what is before its last @, %d what is behind it, %1 to %9 the parts of its " +
    "domain, from the right, and %% a percent sign. A key that lacks a part which " +
    "the format names is not looked up.",
  key_digest:
    "A digest that replaces the expanded key: sha256, for example. With it, keys " +
    "may be longer than the 250 bytes that memcached takes. From Postfix 3.11.",
  domain:
    "The domains whose keys are looked up: names, /path/file and type:table, " +
    "with commas between them. !NAME excludes a name. Keys without a domain are " +
    "then never looked up. Empty: all keys.",
  data_size_limit:
    "The longest value in bytes. A longer one is not stored, and is an error in a " +
    "lookup.",
  line_size_limit: "The longest line of a reply in bytes.",
  max_try: "How many times a command is tried before it fails.",
  retry_pause: "How many seconds pass between two tries.",
  timeout:
    "How many seconds may pass while connecting, sending, or waiting for more of " +
    "a reply. 0 or less: no limit.",
  connections:
    "The most connections to the server. More than one is opened only while many " +
    "keys are looked up. Postfix does not have this parameter.",
  user:
    "Who logs in to a memcached that was started with -Y FILE. Postfix does not " +
    "have this parameter or those below.",
  password:
    "The password of that user. It is shown nowhere, so it must not stand in the " +
    "braces of a table's name.",
  password_file:
    "Instead of password: a file whose first line is the password. " +
    "credential:NAME is a file of $CREDENTIALS_DIRECTORY, as systemd passes it.",
  tls_CAfile:
    "The authorities that are trusted to sign the certificate of the server: a PEM " +
    "file. Empty: those that the runtime trusts.",
  tls_cert_file:
    "The certificate of this client: a PEM file. Empty: it has none.",
  tls_key_file: "The private key of that certificate: a PEM file.",
  tls_verify_cert:
    "no: the connection is encrypted, but the certificate of the server is not " +
    "verified. Whoever is on the way can read and change what is sent.",
  tls_server_name:
    "The name in the certificate of the server. Empty: the host of memcache.",
};

/** The parameters of memcache tables. */
export const parametersPage: ReferencePage = {
  title: "Parameters of a memcache table",
  summary: "what a memcache table can be told, with the defaults",
  intro: [
    "They stand in a file, memcache:/path/file, one name = value a line, in the " +
    "syntax of main.cf; or in main.cf itself, where memcache:aliases has " +
    "aliases_memcache, aliases_ttl and so on; or in braces, memcache:{ ttl=60, " +
    "{ key_format = a:%s } }. Numbers have no unit. Below, each one has its default.",
  ],
  terms: allParameterNames().map((name) => {
    const value = { ...defaultParameters, ...defaultAccess }[name];
    return [value === "" ? name : `${name} = ${value}`, texts[name]];
  }),
};
