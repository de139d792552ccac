import { decodeBase64 } from "../lib/bytes/base64.ts";
import { configBytes, configText, utf8Text } from "../lib/bytes/text.ts";
import { parseContentType } from "../lib/cli/message/content_type.ts";
import { MessageKeys } from "../lib/cli/message/message_keys.ts";
import { parseEntryLine } from "../lib/config/entry_line.ts";
import { expandParameters } from "../lib/config/expand.ts";
import { parseMainCf } from "../lib/config/main_cf.ts";
import { parseMasterCf } from "../lib/config/master_cf.ts";
import {
  bracedPairs,
  isSecretName,
  shownLine,
  splitItems,
  splitKeyValue,
  splitNameValue,
  trimSpace,
} from "../lib/config/name_value.ts";
import { approvedTables, tableNames } from "../lib/config/table_names.ts";
import { parseTime } from "../lib/config/time.ts";
import { checkTable } from "../lib/maintenance/mod.ts";
import {
  postscreenExpiryCheck,
  verifyExpiryCheck,
} from "../lib/maintenance/postfix_caches.ts";
import {
  parseEndpoint,
  parseServer,
  resolveService,
} from "../lib/socket/endpoint.ts";
import { DomainList } from "../lib/tables/memcache/domain_list.ts";
import { parseKeyFormat } from "../lib/tables/memcache/key_format.ts";
import { KeyRules } from "../lib/tables/memcache/key_rules.ts";
import {
  AttributeParser,
  encodeAttributes,
} from "../lib/tables/proxy/attributes.ts";
import { ConfigError, openTable, TemporaryError } from "../mod.ts";
import { assert, assertEquals, assertRejects } from "./support/assert.ts";
import { runCli } from "./support/processes.ts";

// Nothing that is read takes more than linear time. What is quadratic takes minutes
// for these texts; what is not, milliseconds. The bound is for busy machines.
const size = 200_000;
const bound = 20_000;

const units = [
  ...[" ", "a ", " \t", "\v", "\n", "\n ", "\n#", "a\n", "a\n ", "a=b\n"],
  ...["{", "}", "{ ", "{ } ", "{a=", "{a={", "$", "$a", "${", "$(", "${ a "],
  ...["${a?{", "${{a}=={", "\\", '"', '"a ', "=", "a,", "!", ":", "[", "]:"],
  ...["@.", "%", "%s", "# ", "\r\n", "\0", ";", "1", "é ", "\udce9", "(", "--"],
  ...["pasw"],
];

// What stands around the units: many a parser looks at none of them else.
const frames: ((text: string) => string)[] = [
  (text) => text,
  (text) => `a = ${text}b`,
  (text) => `{a=${text}b}`,
  (text) => `\${a?${text}}`,
];

const parsers: Record<string, (text: string) => unknown> = {
  trimSpace,
  parseEntryLine,
  parseMainCf: (text) => parseMainCf(text, "t.cf", () => {}),
  splitItems,
  splitNameValue,
  splitKeyValue,
  bracedPairs: (text) => bracedPairs(text, splitNameValue),
  parseMasterCf: (text) =>
    parseMasterCf(`a unix - - n - - x -o ${text}\n`, "master.cf", {
      onFlaw: () => {},
      onWarning: () => {},
    }),
  tableNames: (text) => [
    ...tableNames("a", text),
    ...tableNames("a", text.replaceAll("a", "proxy:a:")),
  ],
  approvedTables: (text) => [...approvedTables(text)],
  expandParameters: (text) => expandParameters(text, () => "x$b"),
  parseTime: (text) => parseTime(text, "d"),
  parseEndpoint: (text) => parseEndpoint(`inet:${text}`),
  parseServer: (text) => parseServer(`inet:h:1${text}`),
  isSecretName: (text) => isSecretName(`${text}.`),
  shownLine: (text) => shownLine(`${text}_file`),
  resolveService: (text) =>
    resolveService({ transport: "tcp", hostname: "h", service: "z" }, text),
  parseKeyFormat,
  KeyRules: (text) =>
    new KeyRules({ format: parseKeyFormat("%u%d%2"), text: utf8Text })
      .getCommand(text),
  parseContentType,
  MessageKeys: (text) => {
    const query = { headers: true, body: true, mime: true };
    const message = new MessageKeys(query);
    message.push("Content-Type: multipart/mixed; ");
    for (const line of text.split("\n")) message.push(` ${line}`);
    message.push("");
    for (const line of text.split("\n")) message.push(line);
    message.end();
  },
  postscreenExpiryCheck: (text) =>
    postscreenExpiryCheck({ retention: 1, enabled: Array(5).fill(true) })(
      text,
      1,
    ),
  verifyExpiryCheck: (text) =>
    verifyExpiryCheck({ positive: 1, negative: 1 })(text, 1),
  configText: (text) => configText(configBytes(text)),
  fold: utf8Text.fold,
  decodeBase64: (text) => decodeBase64(configBytes(text)),
};

for (const [name, parse] of Object.entries(parsers)) {
  Deno.test(`${name}() takes linear time, whatever it is given`, () => {
    for (const unit of units) {
      for (const frame of frames) {
        const text = frame(unit.repeat(size / unit.length));
        const started = performance.now();
        try {
          parse(text);
        } catch (error) {
          // A stack that overflows is a RangeError too.
          const { message } = error as Error;
          assert(error instanceof RangeError || error instanceof ConfigError);
          assert(!/call stack|string length/.test(message), message);
          assert(message.length < text.length + 1000, name);
        }
        const taken = performance.now() - started;
        assert(
          taken < bound,
          `${JSON.stringify(text.slice(0, 50))}: ${taken} ms`,
        );
      }
    }
  });
}

async function inTime<T>(work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  const taken = performance.now() - started;
  assert(taken < bound, `${taken} ms`);
  return result;
}

function readList(text: string, files: (path: string) => string) {
  return DomainList.read(text, {
    text: utf8Text,
    onWarning: () => {},
    readText: (path) => Promise.resolve(files(path)),
    openTable: () =>
      Promise.resolve({ lookup: () => Promise.resolve(undefined) }),
  });
}

Deno.test("DomainList takes linear time, also for files that name each other", async () => {
  for (
    const unit of ["!a ", " ", "a ", "a.b\n", "x:y ", "!/a ", "#", "\udce9 "]
  ) {
    await inTime(() => readList(unit.repeat(size / unit.length), () => ""));
  }
  const most = 10_000;
  const next = (path: string) => `/${Number(path.slice(1)) + 1}`;
  const isLast = (path: string) => path === `/${most}`;
  const deep = await inTime(() =>
    readList("/0", (path) => isLast(path) ? "a.com" : next(path))
  );
  assertEquals(deep.matches("a.com"), true);
  // Each names the next one twice: 2 to the 10000th lines, if all were read.
  const doubled = await inTime(() =>
    readList(
      "/0",
      (path) => isLast(path) ? "a.com" : `${next(path)} !${next(path)}`,
    )
  );
  assertEquals(doubled.matches("a.com"), true);
  const names = Array.from({ length: 20_000 }, (_, at) => `${at}.com`);
  const long = await readList(names.join(" "), () => "");
  await inTime(async () => {
    for (const name of names) assert(await long.matches(name));
  });
});

const options = {
  utf8: true,
  onWarning: () => {},
  connect: () => Promise.reject(new TemporaryError("no server")),
};

/** The options to read a text as main.cf, and as `t.cf`. */
function reading(text: string) {
  return { ...options, readFile: () => Promise.resolve(configBytes(text)) };
}

Deno.test("tables that nest too deep, or are too many, are refused in time", async () => {
  const nested = (count: number) =>
    "memcache:{backup=".repeat(count) + "static:x" + "}".repeat(count);
  await (await openTable(nested(19), options)).close();
  for (const count of [20, 3000, 12_000]) {
    const error = await assertRejects(
      () => inTime(() => openTable(nested(count), options)),
      ConfigError,
      "it is behind 20 other tables",
    );
    assert(error.message.length < 1000, error.message);
    const { good } = await inTime(() => checkTable(nested(count), options));
    assertEquals(good, false);
  }
  const chain = Array.from(
    { length: 5000 },
    (_, at) => `t${at}_backup = memcache:t${at + 1}\n`,
  ).join("");
  await assertRejects(
    () => inTime(() => openTable("memcache:t0", reading(chain))),
    ConfigError,
    "it is behind 20 other tables",
  );
  await inTime(() => checkTable("memcache:t0", reading(chain)));
  // Two to the 18th tables, if all were opened.
  const doubling = Array.from(
    { length: 18 },
    (_, at) =>
      ["backup", "domain"].map((name) =>
        `t${at}_${name} = memcache:t${at + 1}\n`
      )
        .join(""),
  ).join("");
  await assertRejects(
    () => inTime(() => openTable("memcache:t0", reading(doubling))),
    ConfigError,
    "memcache:t0 names more than 1000 tables",
  );
});

Deno.test("tables that use themselves are shown from there on", async () => {
  const circle =
    "a_backup = memcache:b\nb_backup = memcache:c\nc_backup = memcache:b\n";
  await assertRejects(
    () => openTable("memcache:a", reading(circle)),
    ConfigError,
    "memcache:b uses itself: memcache:b → memcache:c → memcache:b",
  );
});

Deno.test("main.cf takes linear time, opened and checked", async () => {
  const lines = (line: (at: number) => string) =>
    Array.from({ length: 5000 }, (_, at) => line(at)).join("");
  const texts = {
    unknown: lines((at) => `t_x${at} = 1\n`),
    near: lines((at) => `t_tt${at} = 1\n`),
    long: `t_${"tt".repeat(size / 2)} = 1\n`,
    tables: lines((at) => `x${at}_memcache = inet:h:${at}\n`),
    names: lines((at) => `x${at} = memcache:t${at}, memcache:{ttl=${at}}\n`),
    braces: `x = ${"memcache:{ ".repeat(size / 10)}\n`,
    nested: `x = ${"memcache:{a=".repeat(size / 20)}${"}".repeat(size / 20)}\n`,
    prefixes: `x = ${"memcache:".repeat(size / 10)}\n`,
    chain: lines((at) => `t_domain${at || ""} = $t_domain${at + 1}\n`),
    // Ten to the 99th characters, if all were made.
    powers:
      lines((at) =>
        `t_domain${at || ""} = ${`$t_domain${at + 1}`.repeat(10)}\n`
      )
        .split("\n").slice(0, 99).join("\n") + "\nt_domain99 = x\n",
    // The same, of nothing.
    nothing:
      lines((at) =>
        `t_domain${at || ""} = ${`$t_domain${at + 1}`.repeat(10)}\n`
      )
        .split("\n").slice(0, 99).join("\n") + "\n",
    used: `big = ${"x".repeat(size)}\n` +
      lines((at) => `x${at} = memcache:$big\n`),
  };
  for (const [name, text] of Object.entries(texts)) {
    await inTime(async () => {
      const opening = openTable("memcache:t", reading(text));
      await opening.then((table) => table.close(), (error) => {
        assert(error instanceof ConfigError, `${name}: ${error}`);
        assert(error.message.length < 1000, error.message);
      });
    });
    await inTime(() => checkTable("memcache:t", reading(text)));
  }
});

Deno.test("AttributeParser takes linear time, in however small pieces", async () => {
  await inTime(() => {
    const value = new Uint8Array(size).fill(65);
    const message = encodeAttributes([["value", value], ["status", value]]);
    const parser = new AttributeParser(message.length);
    for (let at = 0; at < message.length; at++) {
      parser.push(message.subarray(at, at + 1));
    }
    assertEquals(parser.message?.get("status"), value);
    return Promise.resolve();
  });
});

Deno.test("-i reads half a million blanks as fast as other lines", async () => {
  const blanks = " ".repeat(500_000);
  const { code, stderr } = await inTime(() =>
    runCli(["-i", "kv::memory:"], {
      stdin: `a${blanks}b\n${blanks}\nc${blanks}d e${blanks}\n`,
    })
  );
  assertEquals([code, stderr], [0, ""]);
});
