// Histograms over time as cells: rows are the distinct bounds of all buckets in order, columns the steps.
import { parseValue, type QueryData, type Series } from "./result";

export interface Heat {
  /** Ascending bounds; row `r` lies between `bounds[r]` and `bounds[r + 1]`. */
  bounds: number[];
  columns: number;
  /** Observations by column, then row. */
  cells: Float64Array;
  most: number;
}

/** Cells of native histograms, or of classic ones (series with `le`, counted up to a bound). Undefined where there is neither. */
export function toHeat(data: QueryData, start: number, end: number, step: number): Heat | undefined {
  if (data.resultType !== "matrix") return undefined;
  const series = data.result as Series[];
  const columns = Math.floor((end - start) / step) + 1;
  const spans: [column: number, lower: number, upper: number, count: number][] = [];
  const column = (t: number) => Math.round((t * 1000 - start) / step);
  for (const { histograms = [] } of series) {
    for (const [t, { buckets = [] }] of histograms) {
      for (const [, lower, upper, count] of buckets) spans.push([column(t), parseValue(lower), parseValue(upper), Number(count)]);
    }
  }
  if (spans.length === 0) classicSpans(series, column, columns, spans);
  if (spans.length === 0) return undefined;
  const bounds = [...new Set(spans.flatMap(([, lower, upper]) => [lower, upper]))].sort((a, b) => a - b);
  const rank = new Map(bounds.map((bound, i) => [bound, i]));
  const rows = bounds.length - 1;
  const cells = new Float64Array(columns * rows);
  for (const [at, lower, upper, count] of spans) {
    const from = rank.get(lower) ?? 0;
    const to = rank.get(upper) ?? from;
    // A bucket of a coarser schema covers several rows: its observations are spread over them.
    for (let row = from; row < to; row++) cells[at * rows + row] = (cells[at * rows + row] ?? 0) + count / (to - from);
  }
  return { bounds, columns, cells, most: cells.reduce((a, b) => Math.max(a, b), 0) };
}

function classicSpans(series: readonly Series[], column: (t: number) => number, columns: number, spans: [number, number, number, number][]) {
  const totals = new Map<number, Float64Array>();
  for (const { metric, values = [] } of series) {
    if (metric.le === undefined) continue;
    const bound = parseValue(metric.le);
    const total = totals.get(bound) ?? new Float64Array(columns);
    totals.set(bound, total);
    for (const [t, v] of values) total[column(t)] = (total[column(t)] ?? 0) + (Number(v) || 0);
  }
  const bounds = [...totals.keys()].sort((a, b) => a - b);
  let below: Float64Array | undefined;
  let lower = (bounds[0] ?? 0) > 0 ? 0 : -Infinity;
  for (const upper of bounds) {
    const total = totals.get(upper) as Float64Array;
    for (let i = 0; i < columns; i++) {
      const count = Math.max((total[i] ?? 0) - (below?.[i] ?? 0), 0);
      if (count > 0) spans.push([i, lower, upper, count]);
    }
    below = total;
    lower = upper;
  }
}
