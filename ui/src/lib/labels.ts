// Label sets as text: as people read them, and as they can be pasted into a query.

export type LabelSet = Record<string, string>;

const LEGACY_METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LEGACY_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** `name{a="b"}`; names outside of the old character set are quoted, as PromQL wants it. */
export function seriesText(labels: LabelSet): string {
  const { __name__: name = "", ...rest } = labels;
  const pairs = Object.entries(rest).map(([n, v]) => `${LEGACY_LABEL.test(n) ? n : JSON.stringify(n)}=${JSON.stringify(v)}`);
  if (name !== "" && !LEGACY_METRIC.test(name)) pairs.unshift(JSON.stringify(name));
  const head = LEGACY_METRIC.test(name) ? name : "";
  return pairs.length === 0 ? head || "{}" : `${head}{${pairs.join(", ")}}`;
}

/** Text in lower case that a filter looks through. */
export function haystack(labels: LabelSet, extra = ""): string {
  let out = extra;
  for (const [name, value] of Object.entries(labels)) out += `\n${name}="${value}"`;
  return out.toLowerCase();
}

/** Whether every word of `text` occurs in the haystack. */
export function matchesWords(hay: string, text: string): boolean {
  return text.toLowerCase().split(/\s+/).every((word) => hay.includes(word));
}

/** Labels that all sets share, which a legend need not repeat. */
export function commonLabels(sets: readonly LabelSet[]): LabelSet {
  const [first, ...others] = sets;
  if (first === undefined || others.length === 0) return {};
  return Object.fromEntries(Object.entries(first).filter(([name, value]) => others.every((set) => set[name] === value)));
}
