// A dialog to pick one of many by typing: pages, past expressions, metrics. Arrows move, Enter picks, Escape leaves.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { matchesWords } from "../lib/labels";
import "./picker.css";

/** Most entries that are drawn; typing more narrows. */
const DRAWN = 200;

export interface Entry {
  key: string;
  title: string;
  /** Small text at the right. */
  kind?: string;
  /** Line below. */
  detail?: string;
  mono?: boolean;
}

interface Props {
  label: string;
  placeholder: string;
  entries: readonly Entry[];
  onPick: (entry: Entry) => void;
  onClose: () => void;
  /** What was typed, for sources that search themselves. */
  onText?: (text: string) => void;
  /** Entries that depend on the typed text, put at the end. */
  typed?: (text: string) => Entry[];
  note?: ComponentChildren;
}

export function Picker({ label, placeholder, entries, onPick, onClose, onText, typed, note }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const hays = useMemo(() => entries.map((e) => `${e.title}\n${e.kind ?? ""}\n${e.detail ?? ""}`.toLowerCase()), [entries]);
  const search = (typedText: string) => {
    const wanted = typedText.trim().toLowerCase();
    const hits = wanted === "" ? [...entries] : entries.filter((_, i) => matchesWords(hays[i] as string, wanted));
    // Entries whose title begins with the text come first.
    if (wanted !== "") hits.sort((a, b) => Number(b.title.toLowerCase().startsWith(wanted)) - Number(a.title.toLowerCase().startsWith(wanted)));
    return hits.concat(typed?.(typedText.trim()) ?? []);
  };
  const found = useMemo(() => search(text), [entries, hays, text, typed]);
  const shown = found.slice(0, DRAWN);
  // Before the next key arrives: what is typed after the key that opened it belongs in here.
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const pick = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    onPick(entry);
  };
  return (
    <dialog
      ref={dialog}
      class="picker"
      onClose={onClose}
      aria-label={label}
      onClick={(e) => {
        if (e.target === dialog.current) onClose();
      }}
    >
      <input
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls="picker-list"
        aria-activedescendant={shown[at] ? `picker-${at}` : undefined}
        placeholder={placeholder}
        aria-label={placeholder}
        value={text}
        onInput={(e) => {
          setText(e.currentTarget.value);
          setAt(0);
          onText?.(e.currentTarget.value);
        }}
        onKeyDown={(e) => {
          if (e.key === "ArrowDown") setAt(Math.min(at + 1, shown.length - 1));
          else if (e.key === "ArrowUp") setAt(Math.max(at - 1, 0));
          else if (e.key === "PageDown") setAt(Math.min(at + 8, shown.length - 1));
          else if (e.key === "PageUp") setAt(Math.max(at - 8, 0));
          else if (e.key === "Enter") {
            // What was typed last may not have been drawn yet.
            const now = e.currentTarget.value;
            pick(now === text ? shown[at] : search(now)[0]);
          }
          else return;
          e.preventDefault();
        }}
      />
      <ul role="listbox" id="picker-list" aria-label={label} ref={list}>
        {shown.map((entry, i) => (
          <li key={entry.key} id={`picker-${i}`} role="option" aria-selected={i === at} onClick={() => pick(entry)}>
            <span class={entry.mono ? "mono" : ""}>{entry.title}</span>
            {entry.kind ? <span class="muted kind">{entry.kind}</span> : null}
            {entry.detail ? <span class="muted detail">{entry.detail}</span> : null}
          </li>
        ))}
      </ul>
      <div class="note muted" role="status">
        {found.length === 0 ? "Nothing by that name" : found.length > shown.length ? `${shown.length} of ${found.length}: type more to narrow` : `${found.length} found`}
        {note ? <> · {note}</> : null}
      </div>
    </dialog>
  );
}
