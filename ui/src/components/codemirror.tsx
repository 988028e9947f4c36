// The heavy half of the editor, a chunk of its own: completion from the server's names, lint with positions. It lives in a shadow
// tree: there its styles are adopted sheets, so that the page's security policy need not allow inline styles.
import { autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap } from "@codemirror/autocomplete";
import { history, historyKeymap, standardKeymap, toggleComment } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, LRLanguage, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { HybridComplete } from "@prometheus-io/codemirror-promql/dist/esm/complete/hybrid";
import { parser } from "@prometheus-io/lezer-promql";
import { useEffect, useRef } from "preact/hooks";
import { names } from "../lib/completion";
import { dark } from "../lib/colour";
import type { EditorProps } from "./editor";
import { lint } from "./lint";

const colours = HighlightStyle.define([
  { tag: tags.number, color: "var(--cm-number)" },
  { tag: tags.string, color: "var(--cm-string)" },
  { tag: tags.keyword, color: "var(--cm-keyword)", fontWeight: "600" },
  { tag: tags.function(tags.variableName), color: "var(--cm-function)" },
  { tag: tags.labelName, color: "var(--cm-label)" },
  { tag: tags.operator, color: "var(--text-2)" },
  { tag: tags.comment, color: "var(--text-2)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

const look = EditorView.theme({
  "&": { background: "transparent", color: "var(--text)", fontSize: "var(--size-2)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", maxHeight: "40vh" },
  ".cm-content": { padding: "6px 4px", caretColor: "var(--text)" },
  ".cm-placeholder": { color: "var(--text-2)" },
  ".cm-matchingBracket": { background: "var(--accent-bg) !important", outline: "1px solid var(--accent)" },
  ".cm-tooltip": { background: "var(--bg)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "6px", boxShadow: "0 6px 20px #0004", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "18em", maxWidth: "min(700px, 90vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px", color: "var(--text)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { background: "var(--accent-bg)", color: "var(--text)" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700", color: "var(--accent)" },
  ".cm-completionDetail": { color: "var(--text-2)", fontStyle: "normal" },
  ".cm-completionInfo": { padding: "6px 10px", maxWidth: "360px", fontFamily: "var(--font)" },
  ".cm-wrong": { textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px", textDecorationSkipInk: "none" },
});

const complete = new HybridComplete(names);
const language = LRLanguage.define({
  parser: parser.configure({ top: "PromQL" }),
  languageData: { closeBrackets: { brackets: ["(", "[", "{", "'", '"', "`"] }, commentTokens: { line: "#" } },
});
const promql = [
  language,
  language.data.of({
    autocomplete: async (context: Parameters<HybridComplete["promQL"]>[0]) => {
      const found = await complete.promQL(context);
      // A list that was cut must be asked for again as more is typed.
      return found && names.truncated ? { ...found, validFor: undefined } : found;
    },
  }),
  lint,
];

export function CodeMirrorEditor({ value, onChange, onRun, insert, focus }: EditorProps) {
  const holder = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>();
  /** Texts told to the caller that have not come back yet. */
  const reported = useRef<string[]>([]);
  const outside = useRef(false);
  const calls = useRef({ onChange, onRun });
  calls.current = { onChange, onRun };

  useEffect(() => {
    const host = holder.current;
    if (!host) return;
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open", delegatesFocus: true });
    const created = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        doc: value,
        selection: { anchor: value.length },
        extensions: [
          history(),
          closeBrackets(),
          bracketMatching(),
          autocompletion({ icons: false, maxRenderedOptions: 100 }),
          syntaxHighlighting(colours),
          promql,
          look,
          EditorView.darkTheme.of(dark.peek()),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "Expression" }),
          placeholder("Expression: Enter runs it, Shift-Enter breaks the line"),
          Prec.highest(keymap.of(completionKeymap)),
          Prec.high(
            keymap.of([
              {
                key: "Enter",
                run: (v) => {
                  closeCompletion(v);
                  calls.current.onRun(v.state.doc.toString());
                  return true;
                },
                shift: (v) => {
                  v.dispatch(v.state.replaceSelection("\n"));
                  return true;
                },
              },
              { key: "Mod-/", run: toggleComment },
            ]),
          ),
          keymap.of([...closeBracketsKeymap, ...standardKeymap, ...historyKeymap]),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged || outside.current) return;
            const text = update.state.doc.toString();
            reported.current.push(text);
            calls.current.onChange(text);
          }),
        ],
      }),
    });
    view.current = created;
    insert.current = (text) => {
      created.dispatch(created.state.replaceSelection(text));
      created.focus();
    };
    if (focus) created.focus();
    return () => {
      insert.current = undefined;
      created.destroy();
    };
  }, []);

  useEffect(() => {
    const current = view.current;
    // What was typed comes back as the value, possibly after more was typed: only what others set is put into the field.
    const own = reported.current.indexOf(value);
    if (own >= 0) reported.current.splice(0, own + 1);
    else if (current && current.state.doc.toString() !== value) {
      outside.current = true;
      current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: value }, selection: { anchor: value.length } });
      outside.current = false;
      reported.current = [];
    }
  }, [value]);

  return <div class="editor" ref={holder} />;
}
