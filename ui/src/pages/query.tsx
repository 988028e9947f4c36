// The query page: panels, each with an expression, a table and a graph. All of it is in the address.
import { useLocation } from "preact-iso";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Copy, Empty, type LabelSet, Labels, Loading, Notice, seriesText } from "../components/basics";
import { Editor } from "../components/editor";
import { Graph, type Line } from "../components/graph";
import { VirtualTable } from "../components/virtual";
import { encode } from "../lib/api";
import { address } from "../lib/base";
import { short } from "../lib/format";
import { emptyPanel, type Panel, readPanels, writePanels } from "../lib/panels";
import { zone } from "../lib/settings";
import { autoStep, formatDuration, parseDuration, parseTime } from "../lib/time";
import { useAsk } from "../lib/use";
import "./query.css";

type Point = [number, string];

interface QueryData {
  resultType: "scalar" | "string" | "vector" | "matrix";
  result: unknown;
}

interface Series {
  metric: LabelSet;
  value?: Point;
  values?: Point[];
  histogram?: [number, Histogram];
  histograms?: [number, Histogram][];
}

interface Histogram {
  count: string;
  sum: string;
}

export function QueryPage() {
  const location = useLocation();
  const search = location.url.includes("?") ? location.url.slice(location.url.indexOf("?")) : "";
  const panels = useMemo(() => readPanels(search), [search]);
  const set = (next: Panel[]) => location.route(`${address("query")}?${writePanels(next)}`);
  return (
    <div>
      <h1>Query</h1>
      {panels.map((panel, i) => (
        <PanelView
          key={i}
          panel={panel}
          onChange={(changed) => set(panels.map((p, j) => (j === i ? changed : p)))}
          onRemove={panels.length > 1 ? () => set(panels.filter((_, j) => j !== i)) : undefined}
        />
      ))}
      <button type="button" class="no-print" onClick={() => set([...panels, emptyPanel])}>
        Add panel
      </button>
    </div>
  );
}

interface PanelProps {
  panel: Panel;
  onChange: (panel: Panel) => void;
  onRemove: (() => void) | undefined;
}

function PanelView({ panel, onChange, onRemove }: PanelProps) {
  const [draft, setDraft] = useState(panel.expr);
  const [runs, setRuns] = useState(0);
  useEffect(() => setDraft(panel.expr), [panel.expr]);
  const run = () => {
    if (draft.trim() === panel.expr) setRuns(runs + 1);
    else onChange({ ...panel, expr: draft.trim() });
  };
  return (
    <section class="card panel" aria-label={panel.expr || "Panel"}>
      <div class="row no-print">
        <Editor value={draft} onChange={setDraft} onRun={run} />
        <button type="button" class="primary" onClick={run}>
          Run
        </button>
        {onRemove ? (
          <button type="button" onClick={onRemove} aria-label="Remove panel">
            ✕
          </button>
        ) : null}
      </div>
      <div class="row tabs no-print" role="tablist">
        {(["table", "graph"] as const).map((tab) => (
          <button
            type="button"
            key={tab}
            role="tab"
            aria-selected={panel.tab === tab}
            aria-pressed={panel.tab === tab}
            onClick={() => onChange({ ...panel, tab })}
          >
            {tab === "table" ? "Table" : "Graph"}
          </button>
        ))}
        <TimeControls panel={panel} onChange={onChange} />
      </div>
      {panel.expr === "" ? (
        <Empty>
          Type an expression, for example <code>up</code>, and press Enter.
        </Empty>
      ) : panel.tab === "graph" ? (
        <GraphTab panel={panel} runs={runs} onChange={onChange} />
      ) : (
        <TableTab panel={panel} runs={runs} />
      )}
    </section>
  );
}

function TimeControls({ panel, onChange }: { panel: Panel; onChange: (panel: Panel) => void }) {
  const [range, setRange] = useState(formatDuration(panel.rangeMs));
  const [end, setEnd] = useState(panel.end);
  const [step, setStep] = useState(panel.stepMs === undefined ? "" : formatDuration(panel.stepMs));
  useEffect(() => setRange(formatDuration(panel.rangeMs)), [panel.rangeMs]);
  useEffect(() => setEnd(panel.end), [panel.end]);
  const graph = panel.tab === "graph";
  const wrongRange = parseDuration(range) === undefined;
  const wrongEnd = parseTime(end, Date.now(), zone.value === "utc") === undefined;
  const wrongStep = step !== "" && parseDuration(step) === undefined;
  const apply = () => {
    if (wrongRange || wrongEnd || wrongStep) return;
    onChange({
      ...panel,
      rangeMs: parseDuration(range) ?? panel.rangeMs,
      end,
      stepMs: step === "" ? undefined : parseDuration(step),
    });
  };
  const onKey = (e: KeyboardEvent) => {
    if (e.key === "Enter") apply();
  };
  return (
    <>
      {graph ? (
        <>
          <label>
            Range{" "}
            <input type="text" size={6} value={range} aria-invalid={wrongRange} onInput={(e) => setRange(e.currentTarget.value)} onKeyDown={onKey} onBlur={apply} />
          </label>
          {["15m", "1h", "6h", "1d", "1w"].map((preset) => (
            <button
              type="button"
              key={preset}
              aria-pressed={formatDuration(panel.rangeMs) === preset}
              onClick={() => onChange({ ...panel, rangeMs: parseDuration(preset) ?? panel.rangeMs })}
            >
              {preset}
            </button>
          ))}
        </>
      ) : null}
      <label>
        {graph ? "Until" : "At"}{" "}
        <input type="text" size={17} placeholder="now" value={end} aria-invalid={wrongEnd} onInput={(e) => setEnd(e.currentTarget.value)} onKeyDown={onKey} onBlur={apply} />
      </label>
      {graph ? (
        <>
          <label>
            Step{" "}
            <input
              type="text"
              size={6}
              placeholder={formatDuration(autoStep(panel.rangeMs))}
              value={step}
              aria-invalid={wrongStep}
              onInput={(e) => setStep(e.currentTarget.value)}
              onKeyDown={onKey}
              onBlur={apply}
            />
          </label>
          <button type="button" aria-pressed={panel.stacked} onClick={() => onChange({ ...panel, stacked: !panel.stacked })}>
            Stacked
          </button>
        </>
      ) : null}
    </>
  );
}

function Notes({ asked }: { asked: ReturnType<typeof useAsk<QueryData>> }) {
  return (
    <>
      {asked.error ? <Notice kind="bad">{asked.error.message}</Notice> : null}
      {asked.answer?.warnings.map((text) => (
        <Notice kind="warn" key={text}>
          {text}
        </Notice>
      ))}
      {asked.answer?.infos.map((text) => (
        <Notice kind="info" key={text}>
          {text}
        </Notice>
      ))}
    </>
  );
}

function TableTab({ panel, runs }: { panel: Panel; runs: number }) {
  const [raw, setRaw] = useState(true);
  const at = panel.end === "" ? undefined : parseTime(panel.end, Date.now(), zone.value === "utc");
  const parameters = { query: panel.expr, time: at === undefined ? undefined : at / 1000 };
  const asked = useAsk<QueryData>("query", parameters, `${panel.expr}|${panel.end}|${runs}`);
  const rows = useMemo(() => (asked.answer ? tableRows(asked.answer.data) : []), [asked.answer]);
  const show = (text: string) => (raw || text.includes("@") || text.startsWith("{") ? text : short(Number(text)));
  return (
    <div>
      <Notes asked={asked} />
      {asked.loading && !asked.answer ? <Loading what="the answer" /> : null}
      {asked.answer ? (
        <>
          <div class="row muted">
            <span>
              {rows.length} {rows.length === 1 ? "row" : "rows"}
              {asked.tookMs === undefined ? "" : `, ${Math.round(asked.tookMs)} ms`}
            </span>
            <button type="button" aria-pressed={!raw} onClick={() => setRaw(!raw)}>
              Rounded
            </button>
            <Copy label="Copy CSV" text={rows.map((r) => `"${r.name.replaceAll('"', '""')}","${r.value}"`).join("\n")} />
            <Copy label="Copy API link" text={new URL(`${address("api/v1/query")}?${encode(parameters)}`, location.href).href} />
          </div>
          {rows.length === 0 ? (
            <Empty>No series match at this time. Is the name right, and was there a sample in the last five minutes?</Empty>
          ) : (
            <VirtualTable
              label="Result"
              rows={rows}
              columns={[
                { title: "Series", width: "minmax(0, 1fr)", cell: (row) => (row.labels ? <SeriesName labels={row.labels} /> : row.name) },
                { title: "Value", width: "minmax(90px, 220px)", number: true, cell: (row) => <span class="mono">{show(row.value)}</span> },
              ]}
            />
          )}
        </>
      ) : null}
    </div>
  );
}

function SeriesName({ labels }: { labels: LabelSet }) {
  return (
    <>
      <span class="mono">{labels.__name__ ?? ""}</span> <Labels labels={labels} without={["__name__"]} />
    </>
  );
}

interface Row {
  name: string;
  labels?: LabelSet;
  value: string;
}

function tableRows(data: QueryData): Row[] {
  if (data.resultType === "scalar" || data.resultType === "string") {
    const [, value] = data.result as Point;
    return [{ name: data.resultType, value }];
  }
  return (data.result as Series[]).map((series) => ({
    name: seriesText(series.metric),
    labels: series.metric,
    value: series.value
      ? series.value[1]
      : series.histogram
        ? `{count ${series.histogram[1].count}, sum ${series.histogram[1].sum}}`
        : (series.values ?? []).map(([t, v]) => `${v} @${t}`).join("\n"),
  }));
}

function GraphTab({ panel, runs, onChange }: { panel: Panel; runs: number; onChange: (panel: Panel) => void }) {
  const stepMs = panel.stepMs ?? autoStep(panel.rangeMs);
  const end = useMemo(() => {
    const typed = parseTime(panel.end, Date.now(), zone.value === "utc") ?? Date.now();
    // On the grid of the step, so that refreshing does not make the curve dance.
    return Math.floor(typed / stepMs) * stepMs;
  }, [panel.end, panel.rangeMs, stepMs, panel.expr, runs]);
  const start = end - panel.rangeMs;
  const parameters = { query: panel.expr, start: start / 1000, end: end / 1000, step: stepMs / 1000 };
  const asked = useAsk<QueryData>("query_range", parameters, `${panel.expr}|${start}|${end}|${stepMs}|${runs}`);
  const drawn = useMemo(() => (asked.answer ? toLines(asked.answer.data, start, end, stepMs) : undefined), [asked.answer]);
  return (
    <div>
      <Notes asked={asked} />
      {asked.loading && !drawn ? <Loading what="the graph" /> : null}
      {drawn && drawn.lines.length === 0 ? <Empty>No series match in this range.</Empty> : null}
      {drawn && drawn.lines.length > 0 ? (
        <Graph
          times={drawn.times}
          lines={drawn.lines}
          stacked={panel.stacked}
          onZoom={(from, to) => {
            const iso = new Date(to).toISOString();
            onChange({ ...panel, rangeMs: Math.max(Math.round((to - from) / 1000) * 1000, 1000), end: zone.value === "utc" ? iso.slice(0, 19).replace("T", " ") : iso, stepMs: undefined });
          }}
        />
      ) : null}
    </div>
  );
}

/** Series of a matrix on one grid of times; values that are missing or no numbers are gaps. */
function toLines(data: QueryData, start: number, end: number, step: number): { times: number[]; lines: Line[] } {
  const count = Math.floor((end - start) / step) + 1;
  const times = Array.from({ length: count }, (_, i) => (start + i * step) / 1000);
  const lines = ((data.result as Series[]) ?? []).map((series) => {
    const values = new Array<number | null>(count).fill(null);
    for (const [t, text] of series.values ?? []) {
      const value = text === "+Inf" || text === "-Inf" || text === "NaN" ? null : Number(text);
      values[Math.round((t * 1000 - start) / step)] = value;
    }
    for (const [t, histogram] of series.histograms ?? []) {
      values[Math.round((t * 1000 - start) / step)] = Number(histogram.count);
    }
    return { labels: series.metric, values };
  });
  return { times, lines };
}
