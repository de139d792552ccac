import { median } from "./median.ts";
import {
  type Column,
  columns,
  npmClients,
  type Row,
  type Wanted,
} from "./row.ts";

/** Whether the project is where it wants to be. */
export interface Verdict {
  /** What the ratio is to; none where a figure is wanted for itself. */
  against?: Column;
  wanted: string;
  /** The median of the pairs' ratios; the figure itself where there is no pair. */
  ratio: number;
  met: boolean;
}

/** A row, measured. */
export interface Result {
  name: string;
  title: string;
  unit: Row["unit"];
  note?: string;
  medians: Partial<Record<Column, number>>;
  runs: Partial<Record<Column, number[]>>;
  verdicts: Verdict[];
}

/** What came of a row. */
export function judge(
  { name, title, unit, note, wanted }: Row,
  runs: Partial<Record<Column, number[]>>,
): Result {
  const medians: Partial<Record<Column, number>> = {};
  for (const column of columns) {
    const figures = runs[column];
    if (figures !== undefined) medians[column] = median(figures);
  }
  const verdicts = wanted.map((each) => compare(each, unit, runs, medians));
  return { name, title, unit, note, medians, runs, verdicts };
}

function compare(
  { against, atLeast, atMost }: Wanted,
  unit: Row["unit"],
  runs: Partial<Record<Column, number[]>>,
  medians: Partial<Record<Column, number>>,
): Verdict {
  const other = against === "npm" ? best(unit, medians) : against;
  const ours = runs.tcp!;
  const ratio = other === undefined
    ? median(ours)
    : median(ours.map((figure, run) => figure / runs[other]![run]));
  const bound = atLeast !== undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
  return {
    against: other,
    wanted: other === undefined ? `${bound} ${unit}` : bound,
    ratio,
    met: ratio >= (atLeast ?? -Infinity) && ratio <= (atMost ?? Infinity),
  };
}

function best(
  unit: Row["unit"],
  medians: Partial<Record<Column, number>>,
): Column {
  const [first] = npmClients
    .filter((client) => medians[client] !== undefined)
    .sort((left, right) =>
      (medians[right]! - medians[left]!) * (unit === "k/s" ? 1 : -1)
    );
  return first;
}
