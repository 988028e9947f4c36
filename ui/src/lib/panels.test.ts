import { expect, test } from "vitest";
import { emptyPanel, readPanels, storeParameters, writePanels } from "./panels";

test("panels survive the address", () => {
  const panels = [
    { ...emptyPanel, expr: "sum(rate(x[5m])) > 0", tab: "graph" as const, rangeMs: 7_200_000, display: "stacked" as const, stepMs: 30_000, exemplars: true, fromZero: true },
    { ...emptyPanel, expr: "up", end: "2026-01-01 00:00", dedup: false, partial: true, maxResolution: "5m", stores: ['{__address__="a:1"}'] },
    { ...emptyPanel, expr: "up", tab: "explain" as const, explainRange: true },
  ];
  expect(readPanels(`?${writePanels(panels)}`)).toEqual(panels);
});

test("links of older pages and of Thanos open the same query", () => {
  const [panel] = readPanels("?g0.expr=up&g0.tab=0&g0.range_input=2h&g0.stacked=1");
  expect(panel).toMatchObject({ expr: "up", tab: "graph", rangeMs: 7_200_000, display: "stacked" });
  const [thanos] = readPanels("?g0.expr=up&g0.tab=graph&g0.step_input=15&g0.deduplicate=1&g0.partial_response=0&g0.max_source_resolution=0s&g0.store_matches=%5B%5D");
  expect(thanos).toMatchObject({ stepMs: 15_000, dedup: true, partial: false, maxResolution: "0s", stores: [] });
  expect(readPanels("")).toEqual([emptyPanel]);
});

test("defaults are left to the server", () => {
  expect(storeParameters(emptyPanel)).toEqual({ dedup: undefined, partial_response: undefined, max_source_resolution: undefined, "storeMatch[]": [] });
});
