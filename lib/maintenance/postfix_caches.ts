import type { Setting } from "../config/main_cf.ts";
import { parseTime } from "../config/time.ts";
import { ConfigError } from "../errors.ts";

/** Why an entry of a cache has expired. */
export interface Expiry {
  /** The reason, in a few words. */
  readonly reason: string;
  /** Whether the reason is that the daemon cannot have written it. */
  readonly malformed: boolean;
}

/** Checks a value at a Unix time. Returns `undefined` if it has not expired. */
export type ExpiryCheck = (value: string, now: number) => Expiry | undefined;

/** The tests of postscreen(8), in the order of their times in an entry. */
export const postscreenTests = [
  "greeting",
  "dnsbl",
  "pipelining",
  "non-SMTP command",
  "bare newline",
] as const;

/** What decides when entries of postscreen(8) expire. */
export interface PostscreenRules {
  /** Seconds for which an entry is kept after a test has expired. */
  readonly retention: number;
  /** Whether each of the tests is enabled. */
  readonly enabled: readonly boolean[];
}

/** What decides when entries of verify(8) expire. */
export interface VerifyRules {
  /** Seconds for which the result for a deliverable address is kept. */
  readonly positive: number;
  /** Seconds for which the result for any other address is kept. */
  readonly negative: number;
}

// Times up to this one are no real times: the test was never passed, or is disabled.
const disabled = 1;
const ordinaryTime = /^[ \t\r\n\v\f]*\+?\d{1,19}$/;

/**
 * Checks entries of postscreen(8). An entry has a time for each test, at which the
 * result of the test expires. The entry expires `retention` seconds after the
 * oldest time of an enabled test. A test that was never passed has the time 0 or
 * 1, or none, and so has expired long ago.
 *
 * Implements the cache cleanup of postscreen(8).
 */
export function postscreenExpiryCheck(
  { retention, enabled }: PostscreenRules,
): ExpiryCheck {
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

// The status of an address: 0 deliverable, 1 deferred, 2 undeliverable, 3 unknown
// until a probe ends.
const deliverable = "0";
const statuses = /^0*[0-3]$/;
const digits = /^\d+$/;
// Seconds after which verify(8) considers a probe lost.
const probeLimit = 1000;

/**
 * Checks entries of verify(8), `status:probed:updated:text`. An entry expires
 * `positive` or `negative` seconds after `updated`, but not while a probe of the
 * last 1000 seconds is under way.
 *
 * Implements the cache cleanup of verify(8).
 */
export function verifyExpiryCheck(
  { positive, negative }: VerifyRules,
): ExpiryCheck {
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

function malformed(value: string): Expiry {
  return { reason: `malformed: "${value.slice(0, 100)}"`, malformed: true };
}

function dateOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime())
    ? `${seconds}`
    : date.toISOString().replace(/\.000Z$/, "Z");
}

/** Where settings are found: main.cf, or a service with its overrides. */
export interface Settings {
  /** The value of a parameter, `$` expanded; `undefined` when it is not set. */
  setting(
    name: string,
  ): Promise<Setting | undefined> | Setting | undefined;
}

/** Reads the rules of postscreen(8) from main.cf. `age` replaces the retention time. */
export async function postscreenRules(
  mail: Settings,
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

/** Reads the rules of verify(8) from main.cf. `age` replaces both times. */
export async function verifyRules(
  mail: Settings,
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
  mail: Settings,
  name: string,
  defaultValue: "7d" | "31d" | "3d",
): Promise<number> {
  const setting = await mail.setting(name);
  const seconds = parseTime(setting?.value ?? defaultValue, "d");
  if (seconds !== undefined) return seconds;
  throw new ConfigError(
    `${name} = ${setting?.value}: need a time such as ${defaultValue}, ` +
      `with s, m, h, d or w`,
    setting,
  );
}

async function isSet(
  mail: Settings,
  name: string,
  defaultValue: boolean,
): Promise<boolean> {
  const setting = await mail.setting(name);
  return setting === undefined ? defaultValue : setting.value !== "";
}

async function isOn(mail: Settings, name: string): Promise<boolean> {
  const setting = await mail.setting(name);
  const value = setting?.value.toLowerCase() ?? "no";
  if (value === "yes" || value === "no") return value === "yes";
  throw new ConfigError(`${name} = ${setting?.value}: need yes or no`, setting);
}
