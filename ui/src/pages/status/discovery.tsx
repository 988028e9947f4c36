// What discovery found, before and after relabelling, and which rule dropped what.
import { useMemo } from "preact/hooks";
import { Empty, Filter, Labels, Notice, State } from "../../components/basics";
import { VirtualTable } from "../../components/virtual";
import { isNever, time } from "../../lib/format";
import type { LabelSet } from "../../lib/labels";
import { useParameter, useSettled } from "../../lib/parameter";
import { zone } from "../../lib/settings";
import { useAsk } from "../../lib/use";

interface Discovered {
  activeTargetCounts: Record<string, number>;
  activeTargets: { discoveredLabels: LabelSet; labels: LabelSet; scrapePool: string }[];
  droppedTargets: { discoveredLabels: LabelSet; scrapePool: string; droppedBy?: string }[];
  droppedTargetCounts: Record<string, number> | null;
}

interface Pools {
  scrapePools: string[];
  /** Ours: what feeds the pools, and how it fares. */
  discovery?: { kind: string; scrapePools: string[]; targets: number; lastUpdate: string; lastError: string }[];
}

interface Row {
  pool: string;
  before: LabelSet;
  /** Undefined where it was dropped. */
  after?: LabelSet;
  by?: string;
}

/** Most rows of each kind that are asked for. */
const MOST = 5000;

/** Settings of the scrape that every target carries, shown only on demand. */
const SETTINGS = /^__(scheme|metrics_path|scrape_interval|scrape_timeout|scrape_native_histograms|always_scrape_classic_histograms|convert_classic_histograms_to_nhcb)__$/;

export function Discovery() {
  const [text, setText] = useParameter("filter");
  const [pool, setPool] = useParameter("pool");
  const [settings, setSettings] = useParameter("settings");
  const search = useSettled(text);
  const asked = useAsk<Discovered>("targets", { scrapePool: pool, search, discovered: true, limit: MOST }, JSON.stringify([pool, search]), 30_000);
  const pools = useAsk<Pools>("scrape_pools", {}, "", 30_000);
  const data = asked.answer?.data;
  const rows = useMemo<Row[]>(
    () => [
      ...(data?.droppedTargets ?? []).map((t) => ({ pool: t.scrapePool, before: t.discoveredLabels, by: t.droppedBy ?? "a relabel rule" })),
      ...(data?.activeTargets ?? []).map((t) => ({ pool: t.scrapePool, before: t.discoveredLabels, after: t.labels })),
    ],
    [data],
  );
  const scraped = Object.values(data?.activeTargetCounts ?? {}).reduce((sum, n) => sum + n, 0);
  const dropped = data?.droppedTargets.length ?? 0;
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
        {data ? (
          <span class="muted">
            {scraped} scraped, {dropped} dropped{rows.length < scraped + dropped ? `; the first ${rows.length} shown` : ""}
          </span>
        ) : null}
      </div>
      {(pools.answer?.data.discovery ?? [])
        .filter((one) => one.lastError !== "" && (pool === "" || one.scrapePools.includes(pool)))
        .map((one) => (
          <Notice kind={isNever(one.lastUpdate) ? "bad" : "warn"} key={one.kind + one.scrapePools.join()}>
            <b>
              {one.kind} of {one.scrapePools.join(", ")}
            </b>
            : {one.lastError}. {isNever(one.lastUpdate) ? "It has found nothing yet." : `Its ${one.targets} targets of ${time(Date.parse(one.lastUpdate), zone.value === "utc")} stay in use.`}
          </Notice>
        ))}
      <State asked={asked} what="what was discovered" />
      {asked.answer && rows.length === 0 ? <Empty>{search === "" ? "Discovery found nothing: is a scrape_config there, and does its source answer?" : "Nothing matches the filter."}</Empty> : null}
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
