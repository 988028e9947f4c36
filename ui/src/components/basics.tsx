// Small pieces that several pages use: label sets, notices, states of waiting and emptiness, copying.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export type LabelSet = Record<string, string>;

/** `name{a="b"}` as one text, as it can be pasted into a query. */
export function seriesText(labels: LabelSet): string {
  const { __name__: name = "", ...rest } = labels;
  const pairs = Object.entries(rest).map(([n, v]) => `${n}=${JSON.stringify(v)}`);
  return pairs.length === 0 ? name || "{}" : `${name}{${pairs.join(", ")}}`;
}

export function Labels({ labels, without = [] }: { labels: LabelSet; without?: string[] }) {
  return (
    <>
      {Object.entries(labels)
        .filter(([name]) => !without.includes(name))
        .map(([name, value]) => (
          <span class="label" key={name}>
            {name}="{value}"
          </span>
        ))}
    </>
  );
}

export function Notice({ kind, children }: { kind: "bad" | "warn" | "info"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="muted" role="status">
      Waiting for {what} …
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="muted">{children}</p>;
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      onClick={() => {
        void navigator.clipboard?.writeText(text).then(() => {
          setDone(true);
          setTimeout(() => setDone(false), 1200);
        });
      }}
    >
      {done ? "Copied" : label}
    </button>
  );
}
