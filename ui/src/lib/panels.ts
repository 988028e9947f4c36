// Panels of the query page, and their place in the address. The parameters are those of the peers' own pages: of Prometheus
// `g0.expr`, `g0.tab`, `g0.range_input`, `g0.end_input`, `g0.moment_input`, `g0.res_step`, `g0.display_mode`; of Thanos
// `g0.deduplicate`, `g0.partial_response`, `g0.max_source_resolution`, `g0.store_matches`. Ours alone: `g0.explain_range`. Links from alerts and from there open here.
import { formatDuration, parseDuration } from "./time";

export type Display = "lines" | "stacked" | "heatmap";

export interface Panel {
  expr: string;
  tab: "table" | "graph" | "explain";
  rangeMs: number;
  /** End of the graph or moment of the table as typed; empty for now. */
  end: string;
  /** Step in ms; undefined for automatic. */
  stepMs: number | undefined;
  display: Display;
  /** Whether the value axis begins at zero. */
  fromZero: boolean;
  exemplars: boolean;
  /** Whether the plan is that of the graph's range, not of one moment. */
  explainRange: boolean;
  /** Choices of the role `query`; undefined for its default. */
  dedup: boolean | undefined;
  partial: boolean | undefined;
  /** `auto`, or a duration; undefined for the default. */
  maxResolution: string | undefined;
  /** Matchers of the stores to ask; empty for all. */
  stores: string[];
}

export const emptyPanel: Panel = {
  expr: "",
  tab: "table",
  rangeMs: 3_600_000,
  end: "",
  stepMs: undefined,
  display: "lines",
  fromZero: false,
  exemplars: false,
  explainRange: false,
  dedup: undefined,
  partial: undefined,
  maxResolution: undefined,
  stores: [],
};

function flag(text: string): boolean | undefined {
  return text === "" ? undefined : text === "1" || text === "true";
}

/** Thanos writes a JSON list of objects or texts; texts alone are ours. */
function storeMatches(text: string): string[] {
  try {
    const list: unknown = JSON.parse(text || "[]");
    if (!Array.isArray(list)) return [];
    return list.flatMap((one) => (typeof one === "string" ? [one] : typeof one?.name === "string" ? [`{__address__="${one.name}"}`] : []));
  } catch {
    return [];
  }
}

export function readPanels(search: string): Panel[] {
  const query = new URLSearchParams(search);
  const panels: Panel[] = [];
  for (let i = 0; query.has(`g${i}.expr`); i++) {
    const get = (name: string) => query.get(`g${i}.${name}`) ?? "";
    const tab = get("tab");
    const step = get("step_input") || get("res_step");
    const seconds = Number(step);
    const display = get("display_mode");
    const resolution = get("max_source_resolution");
    panels.push({
      expr: get("expr"),
      // Older pages number their tabs, 0 for the graph.
      tab: tab === "0" || tab === "graph" ? "graph" : tab === "explain" ? "explain" : "table",
      rangeMs: parseDuration(get("range_input")) || emptyPanel.rangeMs,
      end: get("end_input") || get("moment_input"),
      stepMs: step === "" ? undefined : parseDuration(step) || (seconds > 0 ? seconds * 1000 : undefined),
      display: display === "stacked" || get("stacked") === "1" ? "stacked" : display === "heatmap" ? "heatmap" : "lines",
      fromZero: get("y_axis_min") === "zero",
      exemplars: get("show_exemplars") === "1",
      explainRange: get("explain_range") === "1",
      dedup: flag(get("deduplicate")),
      partial: flag(get("partial_response")),
      maxResolution: resolution === "" ? undefined : resolution,
      stores: storeMatches(get("store_matches")),
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
    if (panel.tab === "graph" || panel.rangeMs !== emptyPanel.rangeMs) set("range_input", formatDuration(panel.rangeMs));
    if (panel.end !== "") set(panel.tab === "graph" ? "end_input" : "moment_input", panel.end);
    if (panel.stepMs !== undefined) set("res_step", formatDuration(panel.stepMs));
    if (panel.display !== "lines") set("display_mode", panel.display);
    if (panel.fromZero) set("y_axis_min", "zero");
    if (panel.exemplars) set("show_exemplars", "1");
    if (panel.explainRange) set("explain_range", "1");
    if (panel.dedup !== undefined) set("deduplicate", panel.dedup ? "1" : "0");
    if (panel.partial !== undefined) set("partial_response", panel.partial ? "1" : "0");
    if (panel.maxResolution !== undefined) set("max_source_resolution", panel.maxResolution);
    if (panel.stores.length > 0) set("store_matches", JSON.stringify(panel.stores));
  });
  return query.toString();
}

/** Parameters of the role `query` for the API. */
export function storeParameters(panel: Panel) {
  return {
    dedup: panel.dedup,
    partial_response: panel.partial,
    max_source_resolution: panel.maxResolution,
    "storeMatch[]": panel.stores,
  };
}
