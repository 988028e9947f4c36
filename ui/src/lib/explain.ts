// The plan of a query as the server explains it (docs/formats/query-explain.md), made flat for a table.

export interface Stats {
  calls: number;
  shards: number;
  series: number;
  samples: number;
  samplesSeen: number;
  samplesDecoded: number;
  bytesDecoded: number;
  peakBytes: number;
  cpuNs: number;
  wallNs: number;
}

export type Args = Record<string, string | number | boolean | string[] | null>;

export interface Operator {
  operator: string;
  name: string;
  gives: string;
  /** Byte offsets in the query. */
  pos?: { start: number; end: number };
  text?: string;
  args: Args;
  fused: boolean;
  stats?: Stats;
  inputs: Operator[];
}

export interface Selection {
  matchers: string[];
  minTimeMs: number;
  maxTimeMs: number;
  series?: number;
  chunks?: number;
  bytes?: number;
}

export interface Explained {
  query: string;
  analyzed: boolean;
  grid: { startMs: number; endMs: number; stepMs: number; steps: number };
  workers: number;
  selections: Selection[];
  plan: Operator;
  totals?: {
    resultType: string;
    resultSeries: number;
    seriesRead: number;
    samplesSeen: number;
    samplesDecoded: number;
    peakSamples: number;
    peakBytes: number;
    selectNs: number;
    computeNs: number;
  };
}

/** An operator and how deep it lies. */
export interface Step {
  of: Operator;
  depth: number;
}

/** Every operator, each before its inputs. */
export function steps(root: Operator, depth = 0): Step[] {
  return [{ of: root, depth }, ...root.inputs.flatMap((input) => steps(input, depth + 1))];
}

/** The query cut in three by byte offsets: before, the part, after. Offsets inside a character move to its begin. */
export function cut(query: string, start: number, end: number): [string, string, string] {
  let bytes = 0;
  let [from, to] = [query.length, query.length];
  let at = 0;
  for (const char of query) {
    const next = bytes + byteLength(char.codePointAt(0) ?? 0);
    if (start < next && from === query.length) from = at;
    if (end < next) {
      to = at;
      break;
    }
    bytes = next;
    at += char.length;
  }
  return [query.slice(0, from), query.slice(from, to), query.slice(to)];
}

function byteLength(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

/** What an operator is set to, in short words: "by (job)", "5m window". Empty where there is nothing to say. */
export function settingsText({ args }: Operator, duration: (ms: number) => string): string {
  const out: string[] = [];
  for (const [name, value] of Object.entries(args)) {
    // The operator's own name repeats the operation, and the selection has a table of its own.
    if (value === null || value === false || name === "op" || name === "selection") continue;
    if (Array.isArray(value)) out.push(`${name} (${value.join(", ")})`);
    else if (/Ms$/.test(name) && typeof value === "number") {
      if (value !== 0 || name === "atMs") out.push(`${name.slice(0, -2)} ${name === "atMs" ? new Date(value).toISOString() : duration(value)}`);
    } else if (value === true) out.push(name.replace(/[A-Z]/g, (upper) => ` ${upper.toLowerCase()}`));
    else if (value !== "") out.push(`${name} ${value}`);
  }
  return out.join(", ");
}
