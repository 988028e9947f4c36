// Panels of the query page, and their place in the address. The parameters are those of Prometheus' own page
// (`g0.expr`, `g0.tab`, `g0.range_input`, `g0.end_input`, `g0.moment_input`, `g0.step_input`, `g0.stacked`), so that links from
// alerts and from there open the same query here.
import { formatDuration, parseDuration } from "./time";

export interface Panel {
  expr: string;
  tab: "table" | "graph" | "explain";
  rangeMs: number;
  /** End of the graph or moment of the table as typed; empty for now. */
  end: string;
  /** Step in ms; undefined for automatic. */
  stepMs: number | undefined;
  stacked: boolean;
}

export const emptyPanel: Panel = { expr: "", tab: "table", rangeMs: 3_600_000, end: "", stepMs: undefined, stacked: false };

export function readPanels(search: string): Panel[] {
  const query = new URLSearchParams(search);
  const panels: Panel[] = [];
  for (let i = 0; query.has(`g${i}.expr`); i++) {
    const get = (name: string) => query.get(`g${i}.${name}`) ?? "";
    const tab = get("tab");
    const step = get("step_input") || get("res_step");
    panels.push({
      expr: get("expr"),
      // Older pages number their tabs, 0 for the graph.
      tab: tab === "0" || tab === "graph" ? "graph" : tab === "explain" ? "explain" : "table",
      rangeMs: parseDuration(get("range_input")) ?? emptyPanel.rangeMs,
      end: get("end_input") || get("moment_input"),
      stepMs: step === "" ? undefined : (parseDuration(step) ?? (Number(step) > 0 ? Number(step) * 1000 : undefined)),
      stacked: get("stacked") === "1" || get("display_mode") === "stacked",
    });
  }
  return panels.length > 0 ? panels : [emptyPanel];
}

export function writePanels(panels: readonly Panel[]): string {
  const query = new URLSearchParams();
  panels.forEach((panel, i) => {
    const set = (name: string, value: string) => query.set(`g${i}.${name}`, value);
    set("expr", panel.expr);
    set("tab", panel.tab);
    set("range_input", formatDuration(panel.rangeMs));
    if (panel.end !== "") set(panel.tab === "graph" ? "end_input" : "moment_input", panel.end);
    if (panel.stepMs !== undefined) set("step_input", formatDuration(panel.stepMs));
    if (panel.stacked) set("display_mode", "stacked");
  });
  return query.toString();
}
