// Pages that show one answer of the server: flags, configuration, storage, stores, log, discovery.
import { useRoute } from "preact-iso";
import { useMemo, useState } from "preact/hooks";
import { Copy, Empty, type LabelSet, Labels, Loading, Notice } from "../components/basics";
import { VirtualTable } from "../components/virtual";
import { bytes, duration, short, time } from "../lib/format";
import { pages } from "../lib/pages";
import { overview } from "../lib/role";
import { zone } from "../lib/settings";
import { type Asked, useAsk } from "../lib/use";

export function StatusPage() {
  const what = useRoute().params.what ?? "";
  const title = pages.find((page) => page.path === what)?.title ?? "Not found";
  return (
    <div>
      <h1>{title}</h1>
      <Body what={what} />
    </div>
  );
}

function Body({ what }: { what: string }) {
  switch (what) {
    case "flags":
      return <Flags />;
    case "config":
      return <Config />;
    case "storage":
      return <Storage />;
    case "stores":
      return <Stores />;
    case "log":
      return <Log />;
    case "discovery":
      return <Discovery />;
    case "alerts":
    case "rules":
    case "silences":
    case "blocks":
      return <Empty>This role has no {what} yet.</Empty>;
    default:
      return <Empty>Nothing is served at this address.</Empty>;
  }
}

function State<T>({ asked, what }: { asked: Asked<T>; what: string }) {
  if (asked.error) return <Notice kind="bad">{asked.error.message}</Notice>;
  if (!asked.answer && asked.loading) return <Loading what={what} />;
  return null;
}

function Flags() {
  const [text, setText] = useState("");
  const asked = useAsk<Record<string, string>>("status/flags", {}, "");
  const rows = useMemo(
    () => Object.entries(asked.answer?.data ?? {}).filter(([n, v]) => `${n} ${v}`.toLowerCase().includes(text.toLowerCase())),
    [asked.answer, text],
  );
  return (
    <>
      <State asked={asked} what="the flags" />
      <p>
        <input type="search" placeholder="Filter" aria-label="Filter" value={text} onInput={(e) => setText(e.currentTarget.value)} />
      </p>
      <table>
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <td class="mono">--{name}</td>
              <td class="mono">{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Config() {
  const asked = useAsk<{ yaml: string }>("status/config", {}, "");
  const yaml = asked.answer?.data.yaml;
  return (
    <>
      <State asked={asked} what="the configuration" />
      {yaml === undefined ? null : (
        <>
          <Copy text={yaml} />
          <pre class="card">{yaml}</pre>
        </>
      )}
    </>
  );
}

interface Stat {
  name: string;
  value: number;
}

interface Tsdb {
  headStats: { numSeries: number; numLabelPairs: number; chunkCount: number; minTime: number; maxTime: number };
  seriesCountByMetricName: Stat[];
  labelValueCountByLabelName: Stat[];
  memoryInBytesByLabelName: Stat[];
  seriesCountByLabelValuePair: Stat[];
}

interface Block {
  ulid: string;
  minTime: number;
  maxTime: number;
  stats: { numSamples?: number; numSeries?: number; numChunks?: number };
  compaction: { level: number };
}

function Storage() {
  const asked = useAsk<Tsdb>("status/tsdb", {}, "", 30_000);
  const blocks = useAsk<{ blocks: Block[] }>("status/tsdb/blocks", {}, "", 30_000);
  const data = asked.answer?.data;
  const utc = zone.value === "utc";
  return (
    <>
      <State asked={asked} what="the database" />
      {data ? (
        <>
          <div class="grid">
            <Figure name="Series in the head" value={short(data.headStats.numSeries)} />
            <Figure name="Chunks in the head" value={short(data.headStats.chunkCount)} />
            <Figure name="Label pairs" value={short(data.headStats.numLabelPairs)} />
            <Figure
              name="The head covers"
              value={data.headStats.maxTime > data.headStats.minTime ? duration(data.headStats.maxTime - data.headStats.minTime) : "nothing yet"}
            />
          </div>
          <h2>Blocks</h2>
          <Timeline blocks={blocks.answer?.data.blocks ?? []} head={data.headStats} utc={utc} />
          <div class="grid" style={{ gridTemplateColumns: "repeat(auto-fit, minmax(320px, 1fr))" }}>
            <Top title="Metrics with most series" rows={data.seriesCountByMetricName} show={short} />
            <Top title="Labels with most values" rows={data.labelValueCountByLabelName} show={short} />
            <Top title="Memory by label" rows={data.memoryInBytesByLabelName} show={bytes} />
            <Top title="Pairs with most series" rows={data.seriesCountByLabelValuePair} show={short} />
          </div>
        </>
      ) : null}
    </>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div class="card">
      <div class="muted">{name}</div>
      <div style={{ fontSize: "1.4rem" }}>{value}</div>
    </div>
  );
}

function Top({ title, rows, show }: { title: string; rows: Stat[]; show: (value: number) => string }) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return (
    <div>
      <h2>{title}</h2>
      <table>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <td class="mono" style={{ background: `linear-gradient(to right, var(--accent-bg) ${(row.value / most) * 100}%, transparent 0)` }}>
                {row.name}
              </td>
              <td class="number">{show(row.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Blocks as bars over their span of time, one lane a compaction level, the head last. */
function Timeline({ blocks, head, utc }: { blocks: Block[]; head: Tsdb["headStats"]; utc: boolean }) {
  if (blocks.length === 0) return <Empty>No block on disk yet: the head is cut to a block when it spans three hours.</Empty>;
  const bars = blocks.map((b) => ({ from: b.minTime, to: b.maxTime, lane: b.compaction.level - 1, text: describe(b, utc) }));
  const lanes = Math.max(...bars.map((b) => b.lane)) + 2;
  if (head.maxTime > head.minTime) bars.push({ from: head.minTime, to: head.maxTime, lane: lanes - 1, text: "head" });
  const from = Math.min(...bars.map((b) => b.from));
  const to = Math.max(...bars.map((b) => b.to));
  return (
    <svg viewBox={`0 0 1000 ${lanes * 18 + 18}`} role="img" aria-label={`${blocks.length} blocks on a time line`} style={{ width: "100%" }}>
      {bars.map((bar) => (
        <rect
          key={bar.text}
          x={((bar.from - from) / (to - from)) * 1000}
          width={Math.max(((bar.to - bar.from) / (to - from)) * 1000 - 1, 1)}
          y={bar.lane * 18}
          height={15}
          rx={2}
          fill={bar.text === "head" ? "var(--good)" : "var(--accent)"}
        >
          <title>{bar.text}</title>
        </rect>
      ))}
      <text x="0" y={lanes * 18 + 14} font-size="12" fill="var(--text-2)">
        {time(from, utc)}
      </text>
      <text x="1000" y={lanes * 18 + 14} font-size="12" text-anchor="end" fill="var(--text-2)">
        {time(to, utc)}
      </text>
    </svg>
  );
}

function describe(block: Block, utc: boolean): string {
  return `${block.ulid}: ${time(block.minTime, utc)} to ${time(block.maxTime, utc)}, ${short(block.stats.numSeries ?? 0)} series, ${short(block.stats.numSamples ?? 0)} samples, level ${block.compaction.level}`;
}

interface Store {
  name: string;
  lastCheck: string;
  lastError: string | null;
  labelSets: LabelSet[];
  minTime: number;
  maxTime: number;
}

function Stores() {
  const asked = useAsk<Record<string, Store[]>>("stores", {}, "", 10_000);
  const rows = Object.entries(asked.answer?.data ?? {}).flatMap(([kind, stores]) => stores.map((store) => ({ kind, ...store })));
  const utc = zone.value === "utc";
  return (
    <>
      <State asked={asked} what="the stores" />
      {asked.answer && rows.length === 0 ? <Empty>No store is known. Name them with --endpoint.</Empty> : null}
      {rows.length > 0 ? (
        <table>
          <thead>
            <tr>
              {["Endpoint", "Kind", "State", "From", "To", "Labels", "Last answer"].map((title) => (
                <th key={title}>{title}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((store) => (
              <tr key={store.kind + store.name}>
                <td class="mono">{store.name}</td>
                <td>{store.kind}</td>
                <td>
                  <span class={`badge ${store.lastError ? "bad" : "good"}`}>{store.lastError ? "down" : "up"}</span>
                  {store.lastError ? <div class="notice bad">{store.lastError}</div> : null}
                </td>
                <td>{Math.abs(store.minTime) > 8e15 ? "open" : time(store.minTime, utc)}</td>
                <td>{store.maxTime > 8e15 ? "open" : time(store.maxTime, utc)}</td>
                <td>
                  {(store.labelSets ?? []).map((set, i) => (
                    <div key={i}>
                      <Labels labels={set} />
                    </div>
                  ))}
                </td>
                <td>{time(Date.parse(store.lastCheck), utc)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </>
  );
}

function Log() {
  const lines = [...(overview.value?.log ?? [])].reverse();
  if (lines.length === 0) return <Empty>No warning or error since the start.</Empty>;
  return (
    <VirtualTable
      label="Warnings and errors"
      rows={lines}
      columns={[
        { title: "Time", width: "170px", cell: (line) => time(line.timeMs, zone.value === "utc") },
        { title: "Level", width: "70px", cell: (line) => <span class={`badge ${line.level === "error" ? "bad" : "warn"}`}>{line.level}</span> },
        {
          title: "Message",
          width: "minmax(0, 1fr)",
          cell: (line) => (
            <>
              {line.message} <span class="muted mono">{line.fields.map(([k, v]) => `${k}=${v}`).join(" ")}</span>
            </>
          ),
        },
      ]}
    />
  );
}

interface Discovered {
  activeTargets: { discoveredLabels: LabelSet; labels: LabelSet; scrapePool: string }[];
  droppedTargets: { discoveredLabels: LabelSet; scrapePool: string; droppedBy?: string }[];
}

function Discovery() {
  const [text, setText] = useState("");
  const asked = useAsk<Discovered>("targets", {}, "", 30_000);
  const rows = useMemo(() => {
    const data = asked.answer?.data;
    const all = [
      ...(data?.activeTargets ?? []).map((t) => ({ pool: t.scrapePool, before: t.discoveredLabels, after: t.labels as LabelSet | undefined, by: "" })),
      ...(data?.droppedTargets ?? []).map((t) => ({ pool: t.scrapePool, before: t.discoveredLabels, after: undefined, by: t.droppedBy ?? "a relabel rule" })),
    ];
    return all.filter((row) => text === "" || JSON.stringify(row).toLowerCase().includes(text.toLowerCase()));
  }, [asked.answer, text]);
  return (
    <>
      <State asked={asked} what="what was discovered" />
      <p class="row">
        <input type="search" placeholder="Filter" aria-label="Filter" value={text} onInput={(e) => setText(e.currentTarget.value)} />
        <span class="muted">{rows.length} shown</span>
      </p>
      <VirtualTable
        label="Discovered targets"
        rows={rows}
        rowHeight={60}
        columns={[
          { title: "Pool", width: "130px", cell: (row) => row.pool },
          { title: "Before relabelling", width: "minmax(0, 1fr)", cell: (row) => <Labels labels={row.before} /> },
          {
            title: "After",
            width: "minmax(0, 1fr)",
            cell: (row) => (row.after ? <Labels labels={row.after} /> : <span class="badge warn">dropped by {row.by}</span>),
          },
        ]}
      />
    </>
  );
}
