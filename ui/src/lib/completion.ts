// Names for the editor's completion, from the server: cached for a while, and never all of a huge server at once.
import { ask } from "./api";

/** Most names of one answer. Above it the server searches by prefix, and the browser holds no more. */
const MOST = 10_000;
const KEEP_MS = 60_000;

interface Matcher {
  name: string;
  type: unknown;
  value: string;
}

interface Kept {
  atMs: number;
  value: Promise<unknown>;
}

/** What the completion of codemirror-promql asks for. */
export class NameSource {
  readonly #kept = new Map<string, Kept>();
  /** Whether the last list of metric names was cut, so that typing on must ask again. */
  truncated = false;

  async metricNames(prefix = ""): Promise<string[]> {
    const all = await this.#ask<string[]>("label/__name__/values", { limit: String(MOST) });
    this.truncated = all.length >= MOST;
    if (!this.truncated || prefix.length < 2) return all;
    const pattern = `${prefix.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}.*`;
    return this.#ask("label/__name__/values", { limit: String(MOST), "match[]": `{__name__=~${JSON.stringify(pattern)}}` });
  }

  labelNames(metric?: string): Promise<string[]> {
    return this.#ask("labels", { limit: String(MOST), "match[]": metric ? `{__name__=${JSON.stringify(metric)}}` : "" });
  }

  labelValues(label: string, metric?: string, _matchers?: Matcher[]): Promise<string[]> {
    return this.#ask(`label/${encodeURIComponent(label)}/values`, { limit: String(MOST), "match[]": metric ? `{__name__=${JSON.stringify(metric)}}` : "" });
  }

  async metricMetadata(): Promise<Record<string, { type: string; help: string }[]>> {
    const found = await this.#ask<Record<string, { type: string; help: string }[]>>("metadata", { limit_per_metric: "1" });
    return Array.isArray(found) ? {} : found;
  }

  async series(): Promise<Map<string, string>[]> {
    return [];
  }

  async flags(): Promise<Record<string, string>> {
    return {};
  }

  #ask<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const key = `${path}?${JSON.stringify(parameters)}`;
    const now = Date.now();
    for (const [old, kept] of this.#kept) if (now - kept.atMs > KEEP_MS) this.#kept.delete(old);
    const known = this.#kept.get(key);
    if (known) return known.value as Promise<T>;
    // A name that cannot be had completes to nothing; the query itself says what is wrong.
    const value = ask<T>(path, parameters).then(
      (answer) => {
        // A server that just started has no names yet, but soon will.
        if (Array.isArray(answer.data) && answer.data.length === 0) this.#kept.delete(key);
        return answer.data;
      },
      () => {
        this.#kept.delete(key);
        return [] as T;
      },
    );
    this.#kept.set(key, { atMs: now, value });
    return value;
  }
}

export const names = new NameSource();
