// Answers of queries: their JSON types, tables, lines on a grid of times, CSV.
import { type LabelSet, seriesText } from "./labels";
import { time } from "./format";

export type Point = [number, string];
/** Rule of the bounds (0 open left, 1 open right, 2 open both, 3 closed both), lower, upper, count. */
export type Bucket = [number, string, string, string];

export interface Histogram {
  count: string;
  sum: string;
  buckets?: Bucket[];
}

export interface Series {
  metric: LabelSet;
  value?: Point;
  values?: Point[];
  histogram?: [number, Histogram];
  histograms?: [number, Histogram][];
}

export interface QueryData {
  resultType: "scalar" | "string" | "vector" | "matrix";
  result: Series[] | Point;
  stats?: { timings?: { execTotalTime?: number }; samples?: { totalQueryableSamples?: number; samplesRead?: number; peakSamples?: number } };
}

export interface Row {
  name: string;
  labels?: LabelSet;
  /** Value as sent; several lines for a range of samples. */
  value: string;
  /** For sorting: NaN where there is no one number. */
  number: number;
  histogram?: Histogram;
}

export function tableRows(data: QueryData): Row[] {
  if (data.resultType === "scalar" || data.resultType === "string") {
    const [, value] = data.result as Point;
    return [{ name: data.resultType, value, number: parseValue(value) }];
  }
  return (data.result as Series[]).map((series) => {
    const name = seriesText(series.metric);
    if (series.histogram) {
      const [, histogram] = series.histogram;
      return { name, labels: series.metric, value: `count ${histogram.count}, sum ${histogram.sum}`, number: Number(histogram.count), histogram };
    }
    if (series.value) return { name, labels: series.metric, value: series.value[1], number: parseValue(series.value[1]) };
    const samples = [
      ...(series.values ?? []).map(([t, v]) => `${v} @${t}`),
      ...(series.histograms ?? []).map(([t, h]) => `count ${h.count}, sum ${h.sum} @${t}`),
    ];
    return { name, labels: series.metric, value: samples.join("\n"), number: Number.NaN };
  });
}

export function parseValue(text: string): number {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

export interface Line {
  labels: LabelSet;
  /** One value a time; null where there is none that can be drawn. */
  values: (number | null)[];
}

export interface Drawn {
  /** Seconds since the epoch, evenly spaced. */
  times: number[];
  lines: Line[];
  /** Whether some series holds native histograms. */
  histograms: boolean;
}

/** Series of a matrix on one grid of times (`start` to `end` by `step`, ms). Missing and infinite values are gaps. */
export function toLines(data: QueryData, start: number, end: number, step: number): Drawn {
  const count = Math.floor((end - start) / step) + 1;
  const times = Array.from({ length: count }, (_, i) => (start + i * step) / 1000);
  let histograms = false;
  const series = data.resultType === "matrix" ? (data.result as Series[]) : [];
  const lines = series.map(({ metric, values: points = [], histograms: buckets = [] }) => {
    const values = new Array<number | null>(count).fill(null);
    for (const [t, text] of points) {
      const value = Number(text);
      values[Math.round((t * 1000 - start) / step)] = Number.isFinite(value) ? value : null;
    }
    for (const [t, histogram] of buckets) {
      histograms = true;
      values[Math.round((t * 1000 - start) / step)] = Number(histogram.count);
    }
    return { labels: metric, values };
  });
  return { times, lines, histograms };
}

function quoted(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function tableCsv(rows: readonly Row[]): string {
  return ["series,value", ...rows.map((row) => `${quoted(row.name)},${quoted(row.value)}`)].join("\n");
}

/** One line a time, one column a series. */
export function graphCsv({ times, lines }: Drawn): string {
  const head = ["time", ...lines.map((line) => quoted(seriesText(line.labels)))].join(",");
  const body = times.map((t, i) => [time(t * 1000, true), ...lines.map((line) => line.values[i] ?? "")].join(","));
  return [head, ...body].join("\n");
}
