// What discovery found, before and after relabelling, and which rule dropped what.
import { useMemo } from "preact/hooks";
import { Empty, Filter, Labels, State } from "../../components/basics";
import { VirtualTable } from "../../components/virtual";
import { haystack, type LabelSet, matchesWords } from "../../lib/labels";
import { useParameter } from "../../lib/parameter";
import { useAsk } from "../../lib/use";

interface Discovered {
  activeTargets: { discoveredLabels: LabelSet; labels: LabelSet; scrapePool: string }[];
  droppedTargets: { discoveredLabels: LabelSet; scrapePool: string; droppedBy?: string }[];
  droppedTargetCounts: Record<string, number> | null;
}

interface Row {
  pool: string;
  before: LabelSet;
  /** Undefined where it was dropped. */
  after?: LabelSet;
  by?: string;
  hay: string;
}

/** Settings of the scrape that every target carries, shown only on demand. */
const SETTINGS = /^__(scheme|metrics_path|scrape_interval|scrape_timeout|scrape_native_histograms|always_scrape_classic_histograms|convert_classic_histograms_to_nhcb)__$/;

export function Discovery() {
  const [text, setText] = useParameter("filter");
  const [pool, setPool] = useParameter("pool");
  const [settings, setSettings] = useParameter("settings");
  const asked = useAsk<Discovered>("targets", { scrapePool: pool }, pool, 30_000);
  const pools = useAsk<{ scrapePools: string[] }>("scrape_pools", {}, "", 30_000);
  const all = useMemo<Row[]>(() => {
    const data = asked.answer?.data;
    return [
      ...(data?.droppedTargets ?? []).map((t) => ({ pool: t.scrapePool, before: t.discoveredLabels, by: t.droppedBy ?? "a relabel rule" })),
      ...(data?.activeTargets ?? []).map((t) => ({ pool: t.scrapePool, before: t.discoveredLabels, after: t.labels })),
    ].map((row) => ({ ...row, hay: haystack(row.before, `${row.pool} ${"by" in row ? row.by : ""} ${haystack("after" in row ? row.after : {})}`) }));
  }, [asked.answer]);
  const rows = useMemo(() => all.filter((row) => matchesWords(row.hay, text)), [all, text]);
  const hide = (labels: LabelSet) => (settings === "" ? Object.keys(labels).filter((name) => SETTINGS.test(name)) : []);
  return (
    <>
      <div class="row bar">
        <select value={pool} aria-label="Scrape pool" onChange={(e) => setPool(e.currentTarget.value)}>
          <option value="">all pools</option>
          {(pools.answer?.data.scrapePools ?? (pool ? [pool] : [])).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <Filter value={text} onChange={setText} placeholder="Filter by label or rule" />
        <button type="button" aria-pressed={settings !== ""} onClick={() => setSettings(settings === "" ? "shown" : "")}>
          Scrape settings
        </button>
        <span class="muted">
          {rows.length} shown, {rows.filter((row) => row.after).length} of them scraped
        </span>
      </div>
      <State asked={asked} what="what was discovered" />
      {asked.answer && rows.length === 0 ? <Empty>{all.length === 0 ? "Discovery found nothing: is a scrape_config there, and does its source answer?" : "Nothing matches the filter."}</Empty> : null}
      {rows.length > 0 ? (
        <VirtualTable
          label="Discovered targets"
          rows={rows}
          rowHeight={54}
          columns={[
            { title: "Pool", width: "minmax(60px, 130px)", wideOnly: true, cell: (row) => row.pool, by: (row) => row.pool },
            { title: "Before relabelling", width: "minmax(0, 1fr)", cell: (row) => <Labels labels={row.before} without={hide(row.before)} /> },
            {
              title: "After",
              width: "minmax(0, 1fr)",
              cell: (row) => (row.after ? <Labels labels={row.after} /> : <span class="dropped">dropped: {row.by}</span>),
              by: (row) => (row.after ? 1 : 0),
            },
          ]}
        />
      ) : null}
    </>
  );
}
