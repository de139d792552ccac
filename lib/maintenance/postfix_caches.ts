import type { MailSystem } from "../system/mail_system.ts";
import { parseTime } from "../config/time.ts";
import { ConfigError } from "../errors.ts";

/** Why an entry of a cache goes. */
export interface Verdict {
  /** In a few words. */
  readonly reason: string;
  /** Whether that is because it is none that the daemon wrote. */
  readonly malformed: boolean;
}

/** Tells why an entry goes, by its value and the time in seconds; `undefined`: it stays. */
export type Judge = (value: string, now: number) => Verdict | undefined;

/** The tests of postscreen(8), in the order in which an entry has their times. */
export const postscreenTests = [
  "greeting",
  "dnsbl",
  "pipelining",
  "non-SMTP command",
  "bare newline",
] as const;

/** What decides over entries of postscreen(8). */
export interface PostscreenRules {
  /** Seconds that an entry stays after a test has expired. */
  readonly retention: number;
  /** Whether each of the tests is turned on. */
  readonly enabled: readonly boolean[];
}

/** What decides over entries of verify(8). */
export interface VerifyRules {
  /** Seconds that an address which takes mail is known. */
  readonly positive: number;
  /** Seconds that one which does not is known. */
  readonly negative: number;
}

// Times of an entry that are none: the test was never passed, or not asked for.
const disabled = 1;
const ordinaryTime = /^[ \t\r\n\v\f]*\+?\d{1,19}$/;

/**
 * Judges as postscreen(8) does: an entry has a time for each test, when its
 * result expires, and goes when that was longer ago than `retention` with any of
 * the tests that are turned on. The times of a test that was never passed, 0 and
 * 1, are long ago; so is one that is missing or none.
 *
 * Implements the cache cleanup of postscreen(8).
 */
export function judgePostscreen(
  { retention, enabled }: PostscreenRules,
): Judge {
  return (value, now) => {
    const times = value.split(";");
    let oldest: string | undefined;
    let oldestTime = now - retention;
    for (let at = 0; at < postscreenTests.length; at++) {
      if (!enabled[at]) continue;
      // An older postscreen had fewer tests.
      const text = times[at] ?? `${disabled}`;
      if (!ordinaryTime.test(text)) {
        return malformed(value);
      }
      const time = Number(text);
      if (time >= oldestTime) continue;
      oldestTime = time;
      oldest = postscreenTests[at];
    }
    if (oldest === undefined) return undefined;
    const reason = oldestTime <= disabled
      ? `${oldest} test not passed`
      : `${oldest} test expired ${dateOf(oldestTime)}`;
    return { reason, malformed: false };
  };
}

// What an address can be: it takes mail, or it does not now, does not ever, or is
// being found out about.
const deliverable = "0";
const statuses = /^0*[0-3]$/;
const digits = /^\d+$/;
// Seconds after which verify(8) takes a probe for lost.
const probeLimit = 1000;

/**
 * Judges as verify(8) does: an entry is `status:probed:updated:text`, and goes so
 * long after `updated`; not while a probe of the last 1000 seconds is under way.
 *
 * Implements the cache cleanup of verify(8).
 */
export function judgeVerify({ positive, negative }: VerifyRules): Judge {
  return (value, now) => {
    const [status, probed, updated, text] = value.split(":", 4);
    if (
      text === undefined || !statuses.test(status) || !digits.test(probed) ||
      !digits.test(updated) || (Number(probed) === 0 && Number(updated) === 0)
    ) return malformed(value);
    if (now - Number(probed) < probeLimit) return undefined;
    const isGood = status.endsWith(deliverable);
    if (Number(updated) + (isGood ? positive : negative) >= now) {
      return undefined;
    }
    const reason = Number(updated) === 0
      ? `probe of ${dateOf(Number(probed))} lost`
      : `${isGood ? "deliverable" : "undeliverable"} as of ${
        dateOf(Number(updated))
      }`;
    return { reason, malformed: false };
  };
}

function malformed(value: string): Verdict {
  return { reason: `malformed: "${value.slice(0, 100)}"`, malformed: true };
}

function dateOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime())
    ? `${seconds}`
    : date.toISOString().replace(/\.000Z$/, "Z");
}

/** What main.cf says of postscreen(8); `age` stands in for its retention time. */
export async function postscreenRules(
  mail: MailSystem,
  age?: number,
): Promise<PostscreenRules> {
  const retention = age ??
    await readTime(mail, "postscreen_cache_retention_time", "7d");
  const enabled = [
    await isSet(mail, "postscreen_greet_banner", true),
    await isSet(mail, "postscreen_dnsbl_sites", false),
    await isOn(mail, "postscreen_pipelining_enable"),
    await isOn(mail, "postscreen_non_smtp_command_enable"),
    await isOn(mail, "postscreen_bare_newline_enable"),
  ];
  return { retention, enabled };
}

/** What main.cf says of verify(8); `age` stands in for both of its times. */
export async function verifyRules(
  mail: MailSystem,
  age?: number,
): Promise<VerifyRules> {
  return {
    positive: age ??
      await readTime(mail, "address_verify_positive_expire_time", "31d"),
    negative: age ??
      await readTime(mail, "address_verify_negative_expire_time", "3d"),
  };
}

async function readTime(
  mail: MailSystem,
  name: string,
  byDefault: "7d" | "31d" | "3d",
): Promise<number> {
  const setting = await mail.setting(name);
  const seconds = parseTime(setting?.value ?? byDefault, "d");
  if (seconds !== undefined) return seconds;
  throw new ConfigError(
    `${name} = ${setting?.value}: need a time such as ${byDefault}, ` +
      `with s, m, h, d or w`,
    setting,
  );
}

async function isSet(
  mail: MailSystem,
  name: string,
  byDefault: boolean,
): Promise<boolean> {
  const setting = await mail.setting(name);
  return setting === undefined ? byDefault : setting.value !== "";
}

async function isOn(mail: MailSystem, name: string): Promise<boolean> {
  const setting = await mail.setting(name);
  const value = setting?.value.toLowerCase() ?? "no";
  if (value === "yes" || value === "no") return value === "yes";
  throw new ConfigError(`${name} = ${setting?.value}: need yes or no`, setting);
}
