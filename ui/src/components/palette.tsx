// Go anywhere by keyboard: `/` or Ctrl-K opens, typing filters, Enter goes.
import { signal } from "@preact/signals";
import { useLocation } from "preact-iso";
import { useEffect, useRef, useState } from "preact/hooks";
import { address } from "../lib/base";
import { pages } from "../lib/pages";
import { has } from "../lib/role";
import "./palette.css";

const open = signal(false);

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function Palette() {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const asked = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !isTyping(event.target));
      if (!asked) return;
      event.preventDefault();
      open.value = true;
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return open.value ? <Dialog /> : null;
}

function Dialog() {
  const { route } = useLocation();
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const found = pages.filter((page) => has(page.path) && page.title.toLowerCase().includes(text.toLowerCase()));
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const close = () => {
    open.value = false;
  };
  const go = (index: number) => {
    const page = found[index];
    if (!page) return;
    close();
    route(address(page.path));
  };
  return (
    <dialog ref={dialog} class="palette" onClose={close} aria-label="Go to a page">
      <input
        type="search"
        placeholder="Go to …"
        aria-label="Page"
        value={text}
        onInput={(e) => {
          setText(e.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(e) => {
          if (e.key === "ArrowDown") setAt(Math.min(at + 1, found.length - 1));
          else if (e.key === "ArrowUp") setAt(Math.max(at - 1, 0));
          else if (e.key === "Enter") go(at);
          else return;
          e.preventDefault();
        }}
      />
      <ul role="listbox">
        {found.map((page, i) => (
          <li key={page.path} role="option" aria-selected={i === at} onClick={() => go(i)}>
            {page.title} <span class="muted">{page.group}</span>
          </li>
        ))}
        {found.length === 0 ? <li class="muted">Nothing by that name</li> : null}
      </ul>
    </dialog>
  );
}
