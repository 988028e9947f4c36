// One panel: the expression, its controls, and the tab that is open.
import { useEffect, useRef, useState } from "preact/hooks";
import { Empty } from "../../components/basics";
import { Editor } from "../../components/editor";
import { late } from "../../components/late";
import { ask } from "../../lib/api";
import { readHistory, remember } from "../../lib/history";
import type { Panel } from "../../lib/panels";
import { features, overview } from "../../lib/role";
import { Picker } from "../../components/picker";
import { TimeControls } from "./controls";
import { Explorer } from "./explorer";
import { GraphTab } from "./graph-tab";
import { TableTab } from "./table-tab";

const Explain = late("the tab", () => import("./explain-tab").then((m) => m.ExplainTab));
const StoreControls = late("the choices", () => import("./stores").then((m) => m.StoreControls));

interface Props {
  panel: Panel;
  first: boolean;
  onChange: (panel: Panel) => void;
  onRemove: (() => void) | undefined;
}

export function PanelView({ panel, first, onChange, onRemove }: Props) {
  const [draft, setDraft] = useState(panel.expr);
  const [runs, setRuns] = useState(0);
  const [dialog, setDialog] = useState<"history" | "metrics" | undefined>();
  const insert = useRef<(text: string) => void>();
  useEffect(() => setDraft(panel.expr), [panel.expr]);
  const runText = (text: string) => {
    const expr = text.trim();
    setDraft(expr);
    remember(expr);
    if (expr === panel.expr) setRuns(runs + 1);
    else onChange({ ...panel, expr });
  };
  // A tab or another control also runs what is in the field: nothing that was typed gets lost.
  const change = (next: Panel) => onChange({ ...next, expr: draft.trim() });
  const format = () => {
    void ask<string>("format_query", { query: draft }).then(
      (answer) => setDraft(answer.data),
      () => runText(draft), // What does not parse is run, so that the answer says where it is wrong.
    );
  };
  const tabs: [Panel["tab"], string][] = [["table", "Table"], ["graph", "Graph"]];
  if (features.value.query_explain) tabs.push(["explain", "Explain"]);
  return (
    <section class="card panel" aria-label={panel.expr || "Empty panel"}>
      <div class="row expression">
        <Editor value={draft} onChange={setDraft} onRun={runText} insert={insert} focus={first && panel.expr === ""} />
        <div class="row no-print">
          <button type="button" class="primary" onClick={() => runText(draft)}>
            Run
          </button>
          <button type="button" onClick={() => setDialog("metrics")}>
            Metrics
          </button>
          <button type="button" onClick={() => setDialog("history")}>
            History
          </button>
          <button type="button" class="quiet" onClick={format} disabled={draft.trim() === ""}>
            Format
          </button>
          {onRemove ? (
            <button type="button" class="quiet" onClick={onRemove} aria-label="Remove this panel" title="Remove this panel">
              ✕
            </button>
          ) : null}
        </div>
      </div>
      <div class="row tools no-print">
        <div class="tabs" role="tablist" aria-label="View">
          {tabs.map(([tab, title]) => (
            <button type="button" key={tab} role="tab" aria-selected={panel.tab === tab} onClick={() => change({ ...panel, tab })}>
              {title}
            </button>
          ))}
        </div>
        <TimeControls panel={panel} onChange={change} />
      </div>
      {overview.value?.role === "query" ? <StoreControls panel={panel} onChange={change} /> : null}
      <div class="results">
        {panel.expr === "" ? (
          <Empty>
            Type an expression, for example <code>up</code>, and press Enter. <kbd>Metrics</kbd> lists what there is, with help.
          </Empty>
        ) : panel.tab === "graph" ? (
          <GraphTab panel={panel} runs={runs} onChange={change} />
        ) : panel.tab === "explain" ? (
          <Explain panel={panel} runs={runs} onChange={change} />
        ) : (
          <TableTab panel={panel} runs={runs} />
        )}
      </div>
      {dialog === "history" ? (
        <Picker
          label="Expressions run before"
          placeholder="Search what was run before"
          entries={readHistory().map((expr) => ({ key: expr, title: expr, mono: true }))}
          note="kept in this browser only"
          onClose={() => setDialog(undefined)}
          onPick={(entry) => {
            setDraft(entry.title);
            runText(entry.title);
          }}
        />
      ) : null}
      {dialog === "metrics" ? (
        <Explorer
          onClose={() => setDialog(undefined)}
          onPick={(name) => {
            if (draft.trim() === "" || !insert.current) {
              setDraft(name);
              runText(name);
            } else insert.current(name);
          }}
        />
      ) : null}
    </section>
  );
}
