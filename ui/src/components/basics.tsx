// Small pieces that several pages use: label sets, notices, states of waiting and emptiness, copying.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { LabelSet } from "../lib/labels";
import type { Asked } from "../lib/use";

export function Labels({ labels, without = [] }: { labels: LabelSet; without?: readonly string[] }) {
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

/** Says what is waited for, but not before a fast answer could have come: no flicker. */
export function Loading({ what }: { what: string }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p class="muted" role="status">
      {shown ? `Waiting for ${what} …` : "\u00a0"}
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="muted empty">{children}</p>;
}

/** What stands in place of an answer: its error, or the wait for it. */
export function State({ asked, what }: { asked: Asked<unknown>; what: string }) {
  return (
    <>
      {asked.error ? (
        <Notice kind="bad">
          {asked.error.message}
          {asked.answer ? " What follows is older." : ""}
        </Notice>
      ) : null}
      {!asked.answer && asked.loading ? <Loading what={what} /> : null}
    </>
  );
}

/** Copies; also where the page came over plain HTTP, for which browsers have no clipboard object. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function Copy({ text, label = "Copy" }: { text: string | (() => string); label?: string }) {
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      class="quiet no-print"
      onClick={() => {
        void copyText(typeof text === "string" ? text : text()).then(() => {
          setDone(true);
          setTimeout(() => setDone(false), 1200);
        });
      }}
    >
      {done ? "Copied" : label}
    </button>
  );
}

export function Filter({ value, onChange, placeholder }: { value: string; onChange: (text: string) => void; placeholder: string }) {
  return (
    <input type="search" class="filter" placeholder={placeholder} aria-label={placeholder} value={value} onInput={(e) => onChange(e.currentTarget.value)} />
  );
}
