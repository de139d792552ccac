const units: Record<string, number> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86400,
  w: 604800,
};
const longest = 2147483647;

/**
 * Parses a time of main.cf, and returns it in seconds: a whole number with `s`, `m`,
 * `h`, `d` or `w`, or in `unit` without a letter. As in Postfix, only the first
 * letter counts: `7days`. `undefined` for other text, for less than `least` seconds, and
 * above 2,147,483,647 seconds.
 *
 * Implements "time units" of postconf(5).
 */
export function parseTime(
  text: string,
  unit?: "s" | "m" | "h" | "d" | "w",
  least: 0 | 1 = 1,
): number | undefined {
  const parts = /^[ \t\r\n\v\f]*\+?(\d+)(?:([smhdw])[^]*)?$/.exec(text);
  const seconds = parts === null
    ? NaN
    : Number(parts[1]) * (units[parts[2] ?? unit ?? ""] ?? NaN);
  return seconds >= least && seconds <= longest ? seconds : undefined;
}
