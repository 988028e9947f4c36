import { expect, test } from "vitest";
import { emptyPanel, readPanels, writePanels } from "./panels";

test("panels survive the address", () => {
  const panels = [
    { ...emptyPanel, expr: "sum(rate(x[5m])) > 0", tab: "graph" as const, rangeMs: 7_200_000, stacked: true, stepMs: 30_000 },
    { ...emptyPanel, expr: "up", end: "2026-01-01 00:00" },
  ];
  expect(readPanels(`?${writePanels(panels)}`)).toEqual(panels);
});

test("links of older pages open the same query", () => {
  const [panel] = readPanels("?g0.expr=up&g0.tab=0&g0.range_input=2h&g0.stacked=1");
  expect(panel).toMatchObject({ expr: "up", tab: "graph", rangeMs: 7_200_000, stacked: true });
  expect(readPanels("")).toEqual([emptyPanel]);
});
