// How the server evaluates the expression: its plan, and after a run what each operator did and cost.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Copy, State } from "../../components/basics";
import { cut, type Explained, type Operator, settingsText, type Stats, steps } from "../../lib/explain";
import { bytes, duration, short, time } from "../../lib/format";
import { type Panel, storeParameters } from "../../lib/panels";
import { zone } from "../../lib/settings";
import { autoStep, formatDuration, parseTime } from "../../lib/time";
import { useAsk } from "../../lib/use";
import "./explain.css";

interface Props {
  panel: Panel;
  runs: number;
  onChange: (panel: Panel) => void;
}

interface Figure {
  title: string;
  hint: string;
  of: (stats: Stats) => number;
  show: (value: number) => string;
}

const ns = (value: number) => (value < 1e6 ? `${Number((value / 1e3).toPrecision(3))}µs` : duration(Number((value / 1e6).toPrecision(3))));
const FIGURES: Figure[] = [
  { title: "Series", hint: "series that it gave", of: (s) => s.series, show: short },
  { title: "Samples", hint: "samples that it gave", of: (s) => s.samples, show: short },
  { title: "Seen", hint: "samples that windows or lookback saw, each as often as it was", of: (s) => s.samplesSeen, show: short },
  { title: "Decoded", hint: "bytes taken out of chunks", of: (s) => s.bytesDecoded, show: bytes },
  { title: "Peak", hint: "most memory that its rows and state held at once", of: (s) => s.peakBytes, show: bytes },
  { title: "CPU", hint: "CPU time of its own on all threads, inputs not counted", of: (s) => s.cpuNs, show: ns },
];

export function ExplainTab({ panel, runs, onChange }: Props) {
  const utc = zone.value === "utc";
  // A link shows the plan alone, which costs nothing; who wants figures asks for the run.
  const [measured, setMeasured] = useState<{ expr: string; times: number }>();
  const first = useMemo(() => runs, []);
  useEffect(() => {
    if (runs !== first) setMeasured((last) => ({ expr: panel.expr, times: (last?.times ?? 0) + 1 }));
  }, [runs]);
  const analyze = measured?.expr === panel.expr;
  const stepMs = panel.stepMs ?? autoStep(panel.rangeMs);
  const parameters = useMemo(() => {
    const end = parseTime(panel.end, Date.now(), utc) ?? Date.now();
    const when = panel.explainRange ? { start: (end - panel.rangeMs) / 1000, end: end / 1000, step: stepMs / 1000 } : { time: end / 1000 };
    return { query: panel.expr, ...when, ...storeParameters(panel), analyze };
  }, [JSON.stringify(panel), stepMs, utc, analyze, measured]);
  const asked = useAsk<Explained>("query_explain", parameters, JSON.stringify([parameters, measured]));
  const data = asked.answer?.data;
  return (
    <div class="explain">
      <div class="row bar">
        <span class="joined">
          {([false, true] as const).map((range) => (
            <button type="button" key={String(range)} aria-pressed={panel.explainRange === range} onClick={() => onChange({ ...panel, explainRange: range })}>
              {range ? "Over the range" : "At one moment"}
            </button>
          ))}
        </span>
        <button type="button" class="primary no-print" disabled={asked.loading} onClick={() => setMeasured({ expr: panel.expr, times: (measured?.times ?? 0) + 1 })}>
          {data?.analyzed ? "Run and measure again" : "Run and measure"}
        </button>
        {asked.loading && analyze ? (
          <button type="button" class="quiet" onClick={asked.cancel}>
            Cancel
          </button>
        ) : null}
        {data ? (
          <span class="muted">
            {data.grid.steps === 1 ? time(data.grid.endMs, utc) : `${data.grid.steps} steps of ${formatDuration(data.grid.stepMs)}`}, {data.workers} {data.workers === 1 ? "thread" : "threads"}
          </span>
        ) : null}
        <span class="end">{data ? <Copy label="Copy as JSON" text={() => JSON.stringify(data, null, 2)} /> : null}</span>
      </div>
      <State asked={asked} what={analyze ? "the run" : "the plan"} />
      {asked.answer?.warnings.map((text) => (
        <div class="notice warn" key={text}>
          {text}
        </div>
      ))}
      {data ? <Plan data={data} /> : null}
    </div>
  );
}

function Plan({ data }: { data: Explained }) {
  const [over, setOver] = useState<Operator>();
  const rows = useMemo(() => steps(data.plan), [data]);
  const most = useMemo(() => FIGURES.map(({ of }) => Math.max(0, ...rows.map((row) => (row.of.stats ? of(row.of.stats) : 0)))), [rows]);
  const shown = over && rows.some((row) => row.of === over) ? over : undefined;
  const [before, part, after] = shown?.pos ? cut(data.query, shown.pos.start, shown.pos.end) : [data.query, "", ""];
  const measured = data.analyzed;
  return (
    <>
      {data.totals ? <Totals totals={data.totals} /> : null}
      <pre class="mono expr" aria-live="polite">
        {before}
        {part === "" ? null : <mark>{part}</mark>}
        {after}
      </pre>
      <div class="scroll" tabIndex={0} role="region" aria-label="Plan">
        <table class="plan" onMouseLeave={() => setOver(undefined)}>
          <thead>
            <tr>
              <th scope="col">Operator</th>
              <th scope="col">Part of the query</th>
              {measured
                ? FIGURES.map((figure) => (
                    <th scope="col" class="number" key={figure.title} title={figure.hint}>
                      {figure.title}
                    </th>
                  ))
                : null}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ of: operator, depth }, i) => (
              <tr
                key={i}
                tabIndex={operator.pos ? 0 : undefined}
                class={operator === shown ? "over" : ""}
                onMouseEnter={() => setOver(operator)}
                onFocus={() => setOver(operator)}
                onBlur={() => setOver(undefined)}
              >
                <td style={{ paddingLeft: `${6 + depth * 18}px` }}>
                  <What operator={operator} />
                </td>
                <td class="mono part">{operator.text}</td>
                {measured ? FIGURES.map((figure, f) => <Bar key={figure.title} figure={figure} stats={operator.stats} most={most[f] as number} />) : null}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Selections data={data} />
    </>
  );
}

function What({ operator }: { operator: Operator }) {
  const settings = settingsText(operator, formatDuration);
  return (
    <>
      <span class="strong">{operator.operator}</span> {operator.name ? <span class="mono">{operator.name}</span> : null}{" "}
      {operator.fused ? (
        <span class="badge" title="runs in one pass over each series with the operator above it: no rows in between">
          one pass
        </span>
      ) : null}
      {settings ? <div class="muted">{settings}</div> : null}
    </>
  );
}

function Bar({ figure, stats, most }: { figure: Figure; stats: Stats | undefined; most: number }) {
  if (!stats) return <td class="number muted">-</td>;
  const value = figure.of(stats);
  const share = most === 0 ? 0 : (value / most) * 100;
  return (
    <td class="number" title={`${figure.hint}: ${value}`} style={{ background: `linear-gradient(to left, var(--accent-bg) ${share}%, transparent 0)` }}>
      {value === 0 ? <span class="muted">0</span> : figure.show(value)}
    </td>
  );
}

function Totals({ totals: t }: { totals: NonNullable<Explained["totals"]> }) {
  const facts: [string, string, string][] = [
    ["Time", ns(t.selectNs + t.computeNs), `${ns(t.selectNs)} to find series, ${ns(t.computeNs)} to compute`],
    ["Series of the answer", short(t.resultSeries), t.resultType],
    ["Series read", short(t.seriesRead), ""],
    ["Samples decoded", short(t.samplesDecoded), "taken out of chunks"],
    ["Samples seen", short(t.samplesSeen), "by windows and lookback, each as often as it was"],
    ["Peak of samples", short(t.peakSamples), "as counted against the limit of samples"],
    ["Peak of memory", bytes(t.peakBytes), "charged to the query's budget"],
  ];
  return (
    <dl class="totals">
      {facts.map(([name, value, hint]) => (
        <div key={name} title={hint}>
          <dt class="muted">{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What is asked of the storage, each once however many operators read it. */
function Selections({ data }: { data: Explained }) {
  const utc = zone.value === "utc";
  if (data.selections.length === 0) return null;
  return (
    <details open={data.selections.length < 4}>
      <summary>Read from the storage: {data.selections.length === 1 ? "one selection" : `${data.selections.length} selections`}</summary>
      <ul class="selections">
        {data.selections.map((one, i) => (
          <li key={i}>
            <span class="mono">{`{${one.matchers.join(", ")}}`}</span>{" "}
            <span class="muted">
              {time(one.minTimeMs, utc)} to {time(one.maxTimeMs, utc)}
              {one.series === undefined ? "" : `: ${short(one.series)} series, ${short(one.chunks ?? 0)} chunks, ${bytes(one.bytes ?? 0)}`}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}
