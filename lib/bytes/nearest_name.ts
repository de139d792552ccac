/**
 * The known name that is most similar to `written`; `undefined` if none is. A third
 * of the letters may be wrong, missing, extra or swapped. Ignores case, and the
 * difference between `-` and `_`.
 */
export function nearestName<Name extends string>(
  written: string,
  known: readonly Name[],
): Name | undefined {
  const plain = plainName(written);
  let nearest: Name | undefined;
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const name of known) {
    // The distance is at least this; a very long name would take too much time.
    if (Math.abs(name.length - plain.length) >= least) continue;
    const distance = editDistance(plain, plainName(name));
    if (distance >= least) continue;
    nearest = name;
    least = distance;
  }
  return nearest ??
    known.find((name) => plain.length > 3 && plainName(name).startsWith(plain));
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll("-", "_");
}

/** The number of different letters; two swapped ones count once. */
function editDistance(left: string, right: string): number {
  let before: number[] = [];
  let above = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let distance = Math.min(
        above[column] + 1,
        current[column - 1] + 1,
        above[column - 1] + (same ? 0 : 1),
      );
      if (
        left[row - 1] === right[column - 2] &&
        left[row - 2] === right[column - 1]
      ) distance = Math.min(distance, before[column - 2] + 1);
      current.push(distance);
    }
    before = above;
    above = current;
  }
  return above[right.length];
}
