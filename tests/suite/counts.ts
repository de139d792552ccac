/** What was counted, and nothing else: how many checks and tests passed and failed. */
export interface Counts {
  passed: number;
  failed: number;
}

/** Both together. */
export function sum(one: Counts, other: Counts): Counts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
  };
}

/**
 * Reads the last line of `deno test`:
 * `ok | 85 passed (226 steps) | 0 failed | 1 ignored (10s)`. On CI a test that
 * was not run is one that failed.
 */
export function readCounts(
  output: string,
  success: boolean,
  ci: boolean,
): Counts {
  const counts =
    /(\d+) passed(?: \((\d+) steps?\))? \| (\d+) failed(?: \((\d+) steps?\))?(.*)\n/
      .exec(output);
  if (counts === null) return { passed: 0, failed: 1 };
  const [, passed, passedSteps = 0, failed, failedSteps = 0, rest] = counts;
  const ignored = Number(/(\d+) ignored/.exec(rest)?.[1] ?? 0);
  if (ignored > 0) console.error(`${ignored} tests were not run`);
  const bad = Number(failed) + Number(failedSteps) + (ci ? ignored : 0);
  return {
    passed: Number(passed) + Number(passedSteps),
    failed: success ? bad : Math.max(bad, 1),
  };
}

/** Prints the last line, and ends the process: with 1 if anything failed. */
export function finish({ passed, failed }: Counts): never {
  console.log(`\n${passed} passed, ${failed} failed`);
  Deno.exit(failed === 0 ? 0 : 1);
}
