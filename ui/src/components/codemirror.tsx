// The heavy half of the editor, a chunk of its own: completion from the server's names, lint with positions.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { useEffect, useRef } from "preact/hooks";
import { basePath } from "../lib/base";
import type { EditorProps } from "./editor";
import "./codemirror.css";

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

export function CodeMirrorEditor({ value, onChange, onRun }: EditorProps) {
  const holder = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>();
  const calls = useRef({ onChange, onRun });
  calls.current = { onChange, onRun };

  useEffect(() => {
    if (!holder.current) return;
    const promql = new PromQLExtension()
      .activateCompletion(true)
      .activateLinter(true)
      .setComplete({ remote: { url: basePath.replace(/\/$/, ""), cache: { initialMetricList: [] } } });
    const created = new EditorView({
      parent: holder.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          history(),
          closeBrackets(),
          bracketMatching(),
          autocompletion(),
          syntaxHighlighting(colours),
          promql.asExtension(),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "Expression" }),
          placeholder("Expression (Enter runs it, Shift-Enter breaks the line)"),
          Prec.high(
            keymap.of([
              {
                key: "Enter",
                run: () => {
                  calls.current.onRun();
                  return true;
                },
                shift: (v) => {
                  v.dispatch(v.state.replaceSelection("\n"));
                  return true;
                },
              },
            ]),
          ),
          Prec.highest(keymap.of(completionKeymap)),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) calls.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = created;
    return () => {
      created.destroy();
      promql.destroy();
    };
  }, []);

  useEffect(() => {
    const current = view.current;
    if (current && current.state.doc.toString() !== value) {
      current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: value } });
    }
  }, [value]);

  return <div class="editor" ref={holder} />;
}
