// The answer over a range, as lines, stacked, or as a heat map of histograms.
import { useMemo } from "preact/hooks";
import { Copy, Empty, Notice } from "../../components/basics";
import { type Exemplar, Graph } from "../../components/graph";
import { late } from "../../components/late";
import { encode } from "../../lib/api";
import { address } from "../../lib/base";
import type { LabelSet } from "../../lib/labels";
import { type Panel, storeParameters } from "../../lib/panels";
import { graphCsv, type QueryData, toLines } from "../../lib/result";
import { features, overview } from "../../lib/role";
import { zone } from "../../lib/settings";
import { autoStep, formatDuration, parseTime, timeText } from "../../lib/time";
import { useAsk } from "../../lib/use";
import { Completeness, cost, Notes, panelLink } from "./notes";

const HeatMap = late("the heat map", () => import("../../components/heatmap").then((m) => m.HeatMap));

/** Most points a series may have: the API refuses more. */
const MOST_POINTS = 11_000;

interface ExemplarSeries {
  seriesLabels: LabelSet;
  exemplars: { labels: LabelSet; value: string; timestamp: number }[];
}

interface Props {
  panel: Panel;
  runs: number;
  onChange: (panel: Panel) => void;
}

export function GraphTab({ panel, runs, onChange }: Props) {
  const utc = zone.value === "utc";
  const isQuery = overview.value?.role === "query";
  const asGiven = panel.stepMs ?? autoStep(panel.rangeMs);
  const stepMs = Math.max(asGiven, Math.ceil(panel.rangeMs / MOST_POINTS));
  const end = useMemo(() => {
    const typed = parseTime(panel.end, Date.now(), utc) ?? Date.now();
    // On the grid of the step, so that refreshing does not make the curve dance.
    return Math.floor(typed / stepMs) * stepMs;
  }, [panel.end, panel.rangeMs, stepMs, panel.expr, runs, utc]);
  const start = end - Math.floor(panel.rangeMs / stepMs) * stepMs;
  const parameters = { query: panel.expr, start: start / 1000, end: end / 1000, step: stepMs / 1000, ...storeParameters(panel) };
  const key = JSON.stringify([parameters, runs]);
  const asked = useAsk<QueryData>("query_range", { ...parameters, stats: true }, key);
  const wantExemplars = panel.exemplars && features.value.query_exemplars === true;
  const sparks = useAsk<ExemplarSeries[]>(wantExemplars ? "query_exemplars" : undefined, { query: panel.expr, start: start / 1000, end: end / 1000 }, key);
  const exemplars = useMemo<Exemplar[]>(
    () =>
      (sparks.answer?.data ?? []).flatMap(({ seriesLabels, exemplars: some }) =>
        some.map((one) => ({ labels: one.labels, series: seriesLabels, time: one.timestamp, value: Number(one.value) })),
      ),
    [sparks.answer],
  );
  const drawn = useMemo(() => {
    // The grid is that of the answer: the controls may be ahead of it.
    const of = asked.parameters;
    if (!asked.answer || !of) return undefined;
    const grid = [Number(of.start) * 1000, Number(of.end) * 1000, Number(of.step) * 1000] as const;
    return { ...toLines(asked.answer.data, ...grid), data: asked.answer.data, grid };
  }, [asked.answer]);
  const graph = drawn ? (
    <Graph
      times={drawn.times}
      lines={drawn.lines}
      stacked={panel.display === "stacked"}
      fromZero={panel.fromZero}
      exemplars={exemplars}
      onZoom={(from, to) => onChange({ ...panel, rangeMs: Math.max(Math.round((to - from) / 1000) * 1000, 1000), end: timeText(to, utc), stepMs: undefined })}
    />
  ) : null;
  return (
    <div>
      <Notes asked={asked} expr={panel.expr} />
      {stepMs !== asGiven ? (
        <Notice kind="info">
          The step was raised to {formatDuration(stepMs)}: a series may have {MOST_POINTS} points at most.
        </Notice>
      ) : null}
      {drawn && drawn.lines.length === 0 ? <Empty>No series match in this range. Is the name right, and was there data then?</Empty> : null}
      {drawn && drawn.lines.length > 0 ? (
        <>
          <div class="row muted bar">
            <span>
              {drawn.lines.length} series, step {formatDuration(Number(asked.parameters?.step) * 1000)}, {cost(asked)} {isQuery ? <Completeness panel={panel} warnings={asked.answer?.warnings ?? []} /> : null}
            </span>
            <span class="row end">
              {drawn.histograms && panel.display !== "heatmap" ? (
                <button type="button" class="quiet no-print" onClick={() => onChange({ ...panel, display: "heatmap" })}>
                  Counts of histograms: see the heat map
                </button>
              ) : null}
              <Copy label="Copy CSV" text={() => graphCsv(drawn)} />
              <Copy label="Copy link" text={() => panelLink(panel)} />
              <Copy label="Copy API link" text={() => new URL(`${address("api/v1/query_range")}?${encode(parameters)}`, location.href).href} />
            </span>
          </div>
          {panel.display === "heatmap" ? <HeatMap data={drawn.data} grid={drawn.grid} times={drawn.times} otherwise={graph} /> : graph}
        </>
      ) : null}
    </div>
  );
}
