// The local database: the head, blocks on a time line, what costs most series and memory.
import { useMemo } from "preact/hooks";
import { Empty, State } from "../../components/basics";
import { type Span, TimeLine } from "../../components/timeline";
import { VirtualTable } from "../../components/virtual";
import { address } from "../../lib/base";
import { bytes, duration, short, time } from "../../lib/format";
import { emptyPanel, writePanels } from "../../lib/panels";
import { zone } from "../../lib/settings";
import { useAsk } from "../../lib/use";

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
  /** Ours: where the head's memory is, and the bytes on disk. */
  memoryInBytesByPart: Stat[];
  diskBytesByPart: Stat[];
}

interface Block {
  ulid: string;
  minTime: number;
  maxTime: number;
  stats: { numSamples?: number; numSeries?: number; numChunks?: number };
  compaction: { level: number };
  /** On disk. */
  sizeBytes: number;
}

interface BlocksAnswer {
  blocks: Omit<Block, "sizeBytes">[];
  /** Ours: by ULID. */
  sizeBytes: Record<string, number>;
}

export function Storage() {
  const asked = useAsk<Tsdb>("status/tsdb", {}, "", 30_000);
  const blocks = useAsk<BlocksAnswer>("status/tsdb/blocks", {}, "", 30_000);
  const data = asked.answer?.data;
  const list = useMemo<Block[]>(() => {
    const { blocks: metas = [], sizeBytes = {} } = blocks.answer?.data ?? {};
    return metas.map((meta) => ({ ...meta, sizeBytes: sizeBytes[meta.ulid] ?? 0 })).sort((a, b) => b.maxTime - a.maxTime);
  }, [blocks.answer]);
  const sum = (rows: readonly Stat[]) => rows.reduce((total, row) => total + row.value, 0);
  const head = data?.headStats;
  const filled = head !== undefined && head.maxTime > head.minTime;
  const samples = list.reduce((sum, block) => sum + (block.stats.numSamples ?? 0), 0);
  return (
    <>
      <State asked={asked} what="the database" />
      {data && head ? (
        <>
          <div class="figures">
            <Figure name="Series in the head" value={short(head.numSeries)} exact={head.numSeries} />
            <Figure name="Chunks in the head" value={short(head.chunkCount)} exact={head.chunkCount} />
            <Figure name="Label pairs" value={short(head.numLabelPairs)} exact={head.numLabelPairs} />
            <Figure name="The head covers" value={filled ? duration(head.maxTime - head.minTime) : "nothing yet"} />
            <Figure name="Blocks" value={String(list.length)} />
            <Figure name="Samples in blocks" value={short(samples)} exact={samples} />
            <Figure name="On disk" value={bytes(sum(data.diskBytesByPart))} exact={sum(data.diskBytesByPart)} />
            <Figure name="Memory of the head" value={bytes(sum(data.memoryInBytesByPart))} exact={sum(data.memoryInBytesByPart)} />
          </div>
          <h2>Blocks</h2>
          <State asked={blocks} what="the blocks" />
          {blocks.answer ? <Blocks list={list} head={filled ? head : undefined} /> : null}
          <div class="tops">
            <Top title="Metrics with most series" rows={data.seriesCountByMetricName} show={short} query={(name) => `{__name__=${JSON.stringify(name)}}`} />
            <Top title="Pairs with most series" rows={data.seriesCountByLabelValuePair} show={short} query={pairQuery} />
            <Top title="Labels with most values" rows={data.labelValueCountByLabelName} show={short} query={(name) => `count by (${name}) ({${name}!=""})`} />
            <Top title="Memory by label" rows={data.memoryInBytesByLabelName} show={bytes} />
            <Top title="Memory of the head" rows={largest(data.memoryInBytesByPart)} show={bytes} />
            <Top title="Bytes on disk" rows={largest(data.diskBytesByPart)} show={bytes} />
          </div>
        </>
      ) : null}
    </>
  );
}

function Blocks({ list, head }: { list: Block[]; head: Tsdb["headStats"] | undefined }) {
  const utc = zone.value === "utc";
  if (list.length === 0) return <Empty>No block on disk yet: the head is cut to a block when it spans three hours.</Empty>;
  const spans: Span[] = list.map((b) => ({ from: b.minTime, to: b.maxTime, lane: `level ${b.compaction.level}`, text: describe(b, utc), kind: "block" }));
  if (head) spans.push({ from: head.minTime, to: head.maxTime, lane: "head", text: `head: ${time(head.minTime, utc)} to ${time(head.maxTime, utc)}, ${short(head.numSeries)} series`, kind: "head" });
  return (
    <>
      <TimeLine spans={spans} label={`${list.length} blocks on a time line`} />
      <details>
        <summary>All blocks</summary>
        <VirtualTable
          label="Blocks"
          rows={list}
          rowKey={(b) => b.ulid}
          columns={[
            { title: "Block", width: "minmax(0, 1fr)", cell: (b) => <span class="mono">{b.ulid}</span> },
            { title: "From", width: "165px", cell: (b) => time(b.minTime, utc), by: (b) => b.minTime },
            { title: "Span", width: "80px", number: true, cell: (b) => duration(b.maxTime - b.minTime), by: (b) => b.maxTime - b.minTime },
            { title: "Level", width: "60px", number: true, wideOnly: true, cell: (b) => b.compaction.level, by: (b) => b.compaction.level },
            { title: "Series", width: "80px", number: true, wideOnly: true, cell: (b) => short(b.stats.numSeries ?? 0), by: (b) => b.stats.numSeries ?? 0 },
            { title: "Size", width: "80px", number: true, cell: (b) => bytes(b.sizeBytes), by: (b) => b.sizeBytes },
            { title: "Samples", width: "80px", number: true, cell: (b) => short(b.stats.numSamples ?? 0), by: (b) => b.stats.numSamples ?? 0 },
          ]}
        />
      </details>
    </>
  );
}

function describe(block: Block, utc: boolean): string {
  return `${block.ulid}: ${time(block.minTime, utc)} to ${time(block.maxTime, utc)}, ${short(block.stats.numSeries ?? 0)} series, ${short(block.stats.numSamples ?? 0)} samples, ${bytes(block.sizeBytes)}, level ${block.compaction.level}`;
}

function largest(rows: readonly Stat[]): Stat[] {
  return rows.filter((row) => row.value > 0).sort((a, b) => b.value - a.value);
}

function Figure({ name, value, exact }: { name: string; value: string; exact?: number }) {
  return (
    <div>
      <div class="muted">{name}</div>
      <div class="value" title={exact === undefined ? undefined : String(exact)}>
        {value}
      </div>
    </div>
  );
}

/** `name=value` of the statistics as a query that counts its metrics. */
function pairQuery(pair: string): string {
  const at = pair.indexOf("=");
  return `topk(20, count by (__name__) ({${pair.slice(0, at)}=${JSON.stringify(pair.slice(at + 1))}}))`;
}

function Top({ title, rows, show, query }: { title: string; rows: Stat[]; show: (value: number) => string; query?: (name: string) => string }) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  if (rows.length === 0) return null;
  return (
    <div>
      <h2>{title}</h2>
      <table>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name} style={{ background: `linear-gradient(to right, var(--accent-bg) ${(row.value / most) * 100}%, transparent 0)` }}>
              <td class="mono">
                {query ? <a href={`${address("query")}?${writePanels([{ ...emptyPanel, expr: query(row.name) }])}`}>{row.name}</a> : row.name}
              </td>
              <td class="number">{show(row.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
