// The expression field: CodeMirror with PromQL when it has loaded, a plain field until then.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface EditorProps {
  value: string;
  onChange: (value: string) => void;
  onRun: () => void;
}

let loaded: ComponentType<EditorProps> | undefined;

export function Editor(props: EditorProps) {
  const [Loaded, setLoaded] = useState<ComponentType<EditorProps> | undefined>(() => loaded);
  useEffect(() => {
    if (loaded) return;
    void import("./codemirror").then((module) => {
      loaded = module.CodeMirrorEditor;
      setLoaded(() => module.CodeMirrorEditor);
    });
  }, []);
  if (Loaded) return <Loaded {...props} />;
  return (
    <textarea
      class="mono editor"
      aria-label="Expression"
      rows={1}
      value={props.value}
      onInput={(e) => props.onChange(e.currentTarget.value)}
      onKeyDown={(e) => {
        if (e.key === "Enter" && !e.shiftKey) {
          e.preventDefault();
          props.onRun();
        }
      }}
    />
  );
}
