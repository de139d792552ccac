import { MailSystem } from "../../lib/system/mail_system.ts";
import {
  postscreenExpiryCheck,
  postscreenRules,
  verifyExpiryCheck,
  verifyRules,
} from "../../lib/maintenance/postfix_caches.ts";
import { ConfigError } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";

const now = 1_800_000_000;
const hour = 3600;
const day = 24 * hour;

Deno.test("postscreenExpiryCheck() judges as postscreen(8) does", () => {
  const greetingOnly = [true, false, false, false, false];
  const all = [true, true, true, true, true];
  const none = [false, false, false, false, false];
  const old = now - 7 * day - 1;
  const fresh = now - 7 * day;
  // Values, the tests that are on, and why it goes: the start of the reason.
  const table: [string, boolean[], string | undefined][] = [
    [`${fresh};1;1;1;1`, greetingOnly, undefined],
    [`${old};1;1;1;1`, greetingOnly, "greeting test expired"],
    [`${now + day};1;1;1;1`, greetingOnly, undefined],
    // One test decides, those that are off do not.
    [`${fresh};${old};1;1;1`, greetingOnly, undefined],
    [`${fresh};${old};${fresh};${fresh};${fresh}`, all, "dnsbl test expired"],
    [`${fresh};${fresh};${fresh};${fresh};${old}`, all, "bare newline test"],
    [`${fresh};${fresh};${fresh};${fresh};${fresh}`, all, undefined],
    [`${old};${old};${old};${old};${old}`, none, undefined],
    // Never passed, or turned on since.
    [`0;1;1;1;1`, greetingOnly, "greeting test not passed"],
    [`${fresh};1;${fresh};${fresh};${fresh}`, all, "dnsbl test not passed"],
    [`${fresh};${fresh};${fresh};0;${fresh}`, all, "non-SMTP command test not"],
    // Of a postscreen that had fewer tests.
    [`${fresh}`, greetingOnly, undefined],
    [`${fresh};${fresh}`, all, "pipelining test not passed"],
    // What no postscreen wrote.
    ["", greetingOnly, "malformed"],
    ["x", greetingOnly, "malformed"],
    [`${fresh}x;1;1;1;1`, greetingOnly, "malformed"],
    [`-1;1;1;1;1`, greetingOnly, "malformed"],
    [`0:0:${now}:250 ok`, greetingOnly, "malformed"],
    [`99999999999999999999999;1;1;1;1`, greetingOnly, "malformed"],
    [`${fresh};x;1;1;1`, greetingOnly, undefined],
    ["x", none, undefined],
  ];
  for (const [value, enabled, expected] of table) {
    const verdict = postscreenExpiryCheck({ retention: 7 * day, enabled })(
      value,
      now,
    );
    assertEquals(verdict?.reason.slice(0, expected?.length), expected, value);
    if (verdict === undefined) continue;
    assertEquals(verdict.malformed, expected === "malformed", value);
  }
});

Deno.test("verifyExpiryCheck() judges as verify(8) does", () => {
  const good = now - 31 * day;
  const bad = now - 3 * day;
  const table: [string, string | undefined][] = [
    [`0:0:${good}:250 ok`, undefined],
    [`0:0:${good - 1}:250 ok`, "deliverable as of"],
    [`1:0:${bad}:450 later`, undefined],
    [`1:0:${bad - 1}:450 later`, "undeliverable as of"],
    [`2:0:${bad - 1}:550 no: never: ever`, "undeliverable as of"],
    [`2:0:${bad}:`, undefined],
    // While it is being probed it stays.
    [`0:${now - 999}:${good - 1}:250 ok`, undefined],
    [`0:${now - 1000}:${good - 1}:250 ok`, "deliverable as of"],
    [`3:${now - 999}:0:in progress`, undefined],
    [`3:${now - 1000}:0:in progress`, "probe of"],
    // What no verify wrote.
    ["", "malformed"],
    ["0:0:0:", "malformed"],
    [`4:0:${now}:x`, "malformed"],
    [`10:0:${now}:x`, "malformed"],
    [`0:0:${now}`, "malformed"],
    [`0::${now}:x`, "malformed"],
    [`-0:0:${now}:x`, "malformed"],
    [`0:0x1:${now}:x`, "malformed"],
    [`:0:${now}:x`, "malformed"],
    [`${now};1;1;1;1`, "malformed"],
  ];
  const judge = verifyExpiryCheck({ positive: 31 * day, negative: 3 * day });
  for (const [value, expected] of table) {
    const verdict = judge(value, now);
    assertEquals(verdict?.reason.slice(0, expected?.length), expected, value);
    if (verdict === undefined) continue;
    assertEquals(verdict.malformed, expected === "malformed", value);
  }
});

function mail(text: string): MailSystem {
  return new MailSystem({
    configDirectory: "/etc/postfix",
    readFile: () => Promise.resolve(new TextEncoder().encode(text)),
    onWarning: () => {},
  });
}

Deno.test("postscreenRules() and verifyRules() take what main.cf says", async () => {
  const off = [true, false, false, false, false];
  const table: [string, number, boolean[]][] = [
    ["", 7 * day, off],
    ["postscreen_cache_retention_time = 2\n", 2 * day, off],
    ["postscreen_cache_retention_time = 12h\n", 12 * hour, off],
    [
      "sites = a.example\npostscreen_dnsbl_sites = $sites\n",
      7 * day,
      [true, true, false, false, false],
    ],
    [
      "postscreen_pipelining_enable = YES\npostscreen_bare_newline_enable = yes\n" +
      "postscreen_non_smtp_command_enable = no\n",
      7 * day,
      [true, false, true, false, true],
    ],
    ["postscreen_greet_banner =\n", 7 * day, off.map(() => false)],
    ["postscreen_greet_banner = $smtpd_banner\n", 7 * day, off],
    [
      "postscreen_greet_banner = $smtpd_banner\nsmtpd_banner =\n",
      7 * day,
      off.map(() => false),
    ],
  ];
  for (const [text, retention, enabled] of table) {
    assertEquals(await postscreenRules(mail(text)), { retention, enabled });
  }
  assertEquals((await postscreenRules(mail(table[1][0]), 60)).retention, 60);
  assertEquals(await verifyRules(mail("")), {
    positive: 31 * day,
    negative: 3 * day,
  });
  const set = "address_verify_positive_expire_time = 1w\n" +
    "address_verify_negative_expire_time = 3h\n";
  assertEquals(await verifyRules(mail(set)), {
    positive: 7 * day,
    negative: 3 * hour,
  });
  assertEquals(await verifyRules(mail(set), 60), {
    positive: 60,
    negative: 60,
  });
  const wrong: [string, string][] = [
    ["postscreen_cache_retention_time = soon\n", "main.cf, line 1: postscreen"],
    ["\npostscreen_bare_newline_enable = 1\n", "line 2: postscreen_bare"],
  ];
  for (const [text, message] of wrong) {
    await assertRejects(
      () => postscreenRules(mail(text)),
      ConfigError,
      message,
    );
  }
  await assertRejects(
    () => verifyRules(mail("address_verify_negative_expire_time = 0\n")),
    ConfigError,
    "need a time such as 3d",
  );
});
