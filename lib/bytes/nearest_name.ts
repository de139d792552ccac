/**
 * The name that somebody may have meant, `undefined` when none is near: a third
 * of the letters may be wrong, missing, too many or in the wrong order. Upper
 * and lower case, `-` and `_` are the same.
 */
export function nearestName<Name extends string>(
  written: string,
  known: readonly Name[],
): Name | undefined {
  const plain = plainName(written);
  let nearest: Name | undefined;
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const name of known) {
    // The distance is no less; a stranger may have written a very long name.
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

/** How many letters differ; two that changed places count once. */
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
