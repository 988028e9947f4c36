// Marks where the expression is wrong, by the parser that will run it: the server's. One small request once typing rests.
import { type Extension, StateEffect, StateField, type Text } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { ask } from "../lib/api";
import { errorPlace } from "../lib/place";

/** How long typing must rest, ms. */
const REST_MS = 350;

const setMark = StateEffect.define<DecorationSet>();

const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(now, transaction) {
    let next = now.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(setMark)) next = effect.value;
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

function markOf(doc: Text, message: string): DecorationSet {
  const place = errorPlace(message);
  if (!place || place.line > doc.lines) return Decoration.none;
  const line = doc.line(place.line);
  const at = Math.min(line.from + place.column - 1, line.to);
  // The word that begins there; at the end of a line what stands before it.
  const word = /^\w+/.exec(doc.sliceString(at, line.to))?.[0].length ?? 1;
  const from = at >= line.to ? Math.max(line.to - 1, line.from) : at;
  const to = Math.min(Math.max(at + word, from + 1), doc.length);
  if (from >= to) return Decoration.none;
  return Decoration.set(Decoration.mark({ class: "cm-wrong", attributes: { title: place.text } }).range(from, to));
}

const asking = ViewPlugin.fromClass(
  class {
    #timer: ReturnType<typeof setTimeout> | undefined;
    #asked: AbortController | undefined;

    constructor(readonly view: EditorView) {
      this.#later();
    }

    update(update: ViewUpdate) {
      if (update.docChanged) this.#later();
    }

    #later() {
      clearTimeout(this.#timer);
      this.#asked?.abort();
      this.#timer = setTimeout(() => void this.#ask(), REST_MS);
    }

    async #ask() {
      const { doc } = this.view.state;
      const query = doc.toString();
      const own = new AbortController();
      this.#asked = own;
      let mark = Decoration.none;
      if (query.trim() !== "") {
        try {
          await ask("parse_query", { query }, own.signal);
        } catch (error) {
          mark = markOf(doc, error instanceof Error ? error.message : "");
        }
      }
      if (own.signal.aborted) return;
      this.view.contentDOM.setAttribute("aria-invalid", String(mark.size > 0));
      this.view.dispatch({ effects: setMark.of(mark) });
    }

    destroy() {
      clearTimeout(this.#timer);
      this.#asked?.abort();
    }
  },
);

export const lint: Extension = [marks, asking];
