// The query page: panels, each with an expression, a table and a graph. All of it is in the address.
import { useLocation } from "preact-iso";
import { useMemo } from "preact/hooks";
import { address } from "../lib/base";
import { emptyPanel, type Panel, readPanels, writePanels } from "../lib/panels";
import { PanelView } from "./query/panel";
import "./query/query.css";

export function QueryPage() {
  const location = useLocation();
  const search = location.url.includes("?") ? location.url.slice(location.url.indexOf("?")) : "";
  const panels = useMemo(() => readPanels(search), [search]);
  const set = (next: Panel[]) => location.route(`${address("query")}?${writePanels(next)}`);
  return (
    <div>
      <h1 class="sr-only">Query</h1>
      {panels.map((panel, i) => (
        <PanelView
          key={i}
          panel={panel}
          first={i === 0}
          onChange={(changed) => set(panels.map((p, j) => (j === i ? changed : p)))}
          onRemove={panels.length > 1 ? () => set(panels.filter((_, j) => j !== i)) : undefined}
        />
      ))}
      <div class="row no-print">
        <button type="button" onClick={() => set([...panels, { ...emptyPanel }])}>
          Add panel
        </button>
        <button type="button" class="quiet" onClick={() => set([...panels, panels.at(-1) ?? emptyPanel])}>
          Duplicate the last
        </button>
      </div>
    </div>
  );
}
