import { median } from "./median.ts";
import {
  type Column,
  columns,
  npmClients,
  type Row,
  type Target,
  tlsClient,
} from "./row.ts";

/** Whether a target is met. */
export interface Verdict {
  /** The column to compare with; missing if the target is for the figure itself. */
  against?: Column;
  wanted: string;
  /** The median of the ratios of all runs, or the figure itself. */
  ratio: number;
  met: boolean;
}

/** The result of a row. */
export interface Result {
  name: string;
  title: string;
  unit: Row["unit"];
  note?: string;
  medians: Partial<Record<Column, number>>;
  runs: Partial<Record<Column, number[]>>;
  verdicts: Verdict[];
}

/** Compares the figures of a row with its targets. */
export function judge(
  { name, title, unit, note, targets }: Row,
  runs: Partial<Record<Column, number[]>>,
): Result {
  const medians: Partial<Record<Column, number>> = {};
  for (const column of columns) {
    const figures = runs[column];
    if (figures !== undefined) medians[column] = median(figures);
  }
  const verdicts = targets.map((each) => compare(each, unit, runs, medians));
  return { name, title, unit, note, medians, runs, verdicts };
}

function compare(
  { against, atLeast, atMost }: Target,
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
  const [first] = ([...npmClients, tlsClient] as const)
    .filter((client) => medians[client] !== undefined)
    .sort((left, right) =>
      (medians[right]! - medians[left]!) * (unit === "k/s" ? 1 : -1)
    );
  return first;
}
