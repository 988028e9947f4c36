// The expression field: CodeMirror with PromQL when it has loaded, a plain field until then.
import type { ComponentType } from "preact";
import type { MutableRef } from "preact/hooks";
import { useEffect, useRef, useState } from "preact/hooks";
import "./editor.css";

export interface EditorProps {
  value: string;
  onChange: (value: string) => void;
  /** Told the text as it is in the field: the value may still be on its way. */
  onRun: (text: string) => void;
  /** Set by the editor: puts text where the cursor is. */
  insert: MutableRef<((text: string) => void) | undefined>;
  /** Takes the focus when it appears. */
  focus: boolean;
}

let loaded: ComponentType<EditorProps> | undefined;

export function Editor(props: EditorProps) {
  const [Loaded, setLoaded] = useState<ComponentType<EditorProps> | undefined>(() => loaded);
  const plain = useRef<HTMLTextAreaElement>(null);
  const typing = useRef(false);
  useEffect(() => {
    if (loaded) return;
    import("./codemirror").then(
      (module) => {
        loaded = module.CodeMirrorEditor;
        // Who types already goes on typing.
        typing.current = plain.current !== null && document.activeElement === plain.current;
        setLoaded(() => module.CodeMirrorEditor);
      },
      () => undefined, // The plain field stays: queries run from it just as well.
    );
  }, []);
  if (Loaded) return <Loaded {...props} focus={props.focus || typing.current} />;
  return (
    <textarea
      ref={plain}
      class="mono editor"
      aria-label="Expression"
      placeholder="Expression"
      rows={1}
      spellcheck={false}
      autofocus={props.focus}
      value={props.value}
      onInput={(e) => props.onChange(e.currentTarget.value)}
      onKeyDown={(e) => {
        if (e.key === "Enter" && !e.shiftKey) {
          e.preventDefault();
          props.onRun(e.currentTarget.value);
        }
      }}
    />
  );
}
