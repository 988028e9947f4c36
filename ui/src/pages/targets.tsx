// Targets: filtered, virtual, with causes. The server filters by pool and state; the text filter works on what it sent.
import { useMemo, useState } from "preact/hooks";
import { Empty, type LabelSet, Labels, Loading, Notice } from "../components/basics";
import { VirtualTable } from "../components/virtual";
import { duration, isNever, time } from "../lib/format";
import { zone } from "../lib/settings";
import { useAsk } from "../lib/use";

interface Active {
  discoveredLabels: LabelSet;
  labels: LabelSet;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: "up" | "down" | "unknown";
  scrapeInterval: string;
  /** Ours: the stage at which the last scrape failed, and what to do about it. */
  lastErrorStage?: string;
  lastErrorCure?: string;
  samples?: number;
}

interface Dropped {
  discoveredLabels: LabelSet;
  scrapePool: string;
  /** Ours: which rule dropped it. */
  droppedBy?: string;
}

interface TargetsData {
  activeTargets: Active[];
  droppedTargets: Dropped[];
  droppedTargetCounts: Record<string, number>;
}

export function TargetsPage() {
  const [pool, setPool] = useState("");
  const [state, setState] = useState<"all" | "down" | "dropped">("all");
  const [text, setText] = useState("");
  const pools = useAsk<{ scrapePools: string[] }>("scrape_pools", {}, "", 30_000);
  const asked = useAsk<TargetsData>(
    "targets",
    { scrapePool: pool, state: state === "dropped" ? "dropped" : "active" },
    `${pool}|${state}`,
    10_000,
  );
  const data = asked.answer?.data;
  const active = useMemo(
    () => (data?.activeTargets ?? []).filter((t) => (state !== "down" || t.health === "down") && matches(t.labels, text, t.scrapeUrl)),
    [data, state, text],
  );
  const dropped = useMemo(() => (data?.droppedTargets ?? []).filter((t) => matches(t.discoveredLabels, text, "")), [data, text]);
  const down = (data?.activeTargets ?? []).filter((t) => t.health === "down").length;
  return (
    <div>
      <h1>Targets</h1>
      <div class="row" style={{ marginBottom: "12px" }}>
        <select value={pool} aria-label="Scrape pool" onChange={(e) => setPool(e.currentTarget.value)}>
          <option value="">all pools</option>
          {(pools.answer?.data.scrapePools ?? []).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        {(["all", "down", "dropped"] as const).map((one) => (
          <button type="button" key={one} aria-pressed={state === one} onClick={() => setState(one)}>
            {one === "all" ? "Active" : one === "down" ? `Down${down > 0 ? ` (${down})` : ""}` : "Dropped"}
          </button>
        ))}
        <input type="search" placeholder="Filter by label or address" aria-label="Filter" value={text} onInput={(e) => setText(e.currentTarget.value)} />
        <span class="muted">{state === "dropped" ? dropped.length : active.length} shown</span>
      </div>
      {asked.error ? <Notice kind="bad">{asked.error.message}</Notice> : null}
      {!data && asked.loading ? <Loading what="the targets" /> : null}
      {data && state === "dropped" ? <DroppedTable rows={dropped} /> : null}
      {data && state !== "dropped" ? <ActiveTable rows={active} /> : null}
    </div>
  );
}

function matches(labels: LabelSet, text: string, extra: string): boolean {
  if (text === "") return true;
  const wanted = text.toLowerCase();
  return extra.toLowerCase().includes(wanted) || Object.entries(labels).some(([n, v]) => `${n}="${v}"`.toLowerCase().includes(wanted));
}

function ActiveTable({ rows }: { rows: Active[] }) {
  if (rows.length === 0) return <Empty>No target matches. Without a filter this means that the configuration finds none.</Empty>;
  return (
    <VirtualTable
      label="Active targets"
      rows={rows}
      rowHeight={52}
      columns={[
        {
          title: "State",
          width: "70px",
          cell: (t) => <span class={`badge ${t.health === "up" ? "good" : t.health === "down" ? "bad" : ""}`}>{t.health}</span>,
        },
        {
          title: "Target",
          width: "minmax(0, 1.2fr)",
          cell: (t) => (
            <>
              <a class="mono" href={t.scrapeUrl} rel="noreferrer">
                {t.scrapeUrl}
              </a>
              {t.lastError ? (
                <div class="notice bad">
                  {t.lastErrorStage ? <b>{t.lastErrorStage}: </b> : null}
                  {t.lastError}
                  {t.lastErrorCure ? <div class="muted">{t.lastErrorCure}</div> : null}
                </div>
              ) : null}
            </>
          ),
        },
        {
          title: "Labels",
          width: "minmax(0, 1fr)",
          cell: (t) => (
            <details>
              <summary>
                <Labels labels={t.labels} />
              </summary>
              <div class="muted">before relabelling</div>
              <Labels labels={t.discoveredLabels} />
            </details>
          ),
        },
        { title: "Last scrape", width: "165px", cell: (t) => (isNever(t.lastScrape) ? "never" : time(Date.parse(t.lastScrape), zone.value === "utc")) },
        { title: "Took", width: "70px", number: true, cell: (t) => duration(t.lastScrapeDuration * 1000) },
        { title: "Every", width: "60px", number: true, cell: (t) => t.scrapeInterval },
      ]}
    />
  );
}

function DroppedTable({ rows }: { rows: Dropped[] }) {
  if (rows.length === 0) return <Empty>No target was dropped by relabelling.</Empty>;
  return (
    <VirtualTable
      label="Dropped targets"
      rows={rows}
      columns={[
        { title: "Pool", width: "140px", cell: (t) => t.scrapePool },
        { title: "Labels before relabelling", width: "minmax(0, 1fr)", cell: (t) => <Labels labels={t.discoveredLabels} /> },
        { title: "Dropped by", width: "minmax(0, 0.6fr)", cell: (t) => t.droppedBy ?? "a relabel rule" },
      ]}
    />
  );
}
