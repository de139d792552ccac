/**
 * Runs the contestants in turn, `runs` times, so that a slow phase of the machine
 * affects all of them. The first turn of each is a warm-up and does not count.
 */
export async function interleave<Name extends string>(
  contestants: Partial<Record<Name, () => Promise<number>>>,
  runs: number,
): Promise<Partial<Record<Name, number[]>>> {
  const turns = Object.entries(contestants) as [Name, () => Promise<number>][];
  const figures: Partial<Record<Name, number[]>> = {};
  for (const [name] of turns) figures[name] = [];
  for (let run = 0; run <= runs; run++) {
    for (const [name, turn] of turns) {
      const figure = await turn().catch((cause) => {
        throw new Error(`${name}: ${cause.message}`, { cause });
      });
      if (run > 0) figures[name]!.push(figure);
    }
  }
  return figures;
}
