// Targets: filtered, virtual, with causes. The server filters by pool; state and text filter what it sent.
import { useMemo, useState } from "preact/hooks";
import { Copy, Empty, Filter, Labels, State } from "../components/basics";
import { VirtualTable } from "../components/virtual";
import { address } from "../lib/base";
import { ago, duration, isNever, short, time } from "../lib/format";
import { haystack, type LabelSet, matchesWords } from "../lib/labels";
import { emptyPanel, writePanels } from "../lib/panels";
import { zone } from "../lib/settings";
import { useParameter } from "../lib/parameter";
import { useAsk } from "../lib/use";
import { History } from "./targets/history";
import "./targets/targets.css";

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
  scrapeTimeout: string;
  /** Ours: the stage at which the last scrape failed, and what to do about it. */
  lastErrorStage?: string;
  lastErrorCure?: string;
  /** Ours: samples of the last scrape, bytes of its body, and how much later than planned it began, in seconds. */
  lastSamples?: number;
  lastBodyBytes?: number;
  lastLateness?: number;
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
  droppedTargetCounts: Record<string, number> | null;
}

/** How often targets are asked for, ms: always, and while none was scraped yet. */
const SETTLED_MS = 10_000;
const YOUNG_MS = 1000;

const RANK = { down: 0, unknown: 1, up: 2 };

export function TargetsPage() {
  const [pool, setPool] = useParameter("pool");
  const [state, setState] = useParameter("state");
  const [text, setText] = useParameter("filter");
  const pools = useAsk<{ scrapePools: string[] }>("scrape_pools", {}, "", 30_000);
  const [everyMs, setEveryMs] = useState(SETTLED_MS);
  const isDropped = state === "dropped";
  const asked = useAsk<TargetsData>("targets", { scrapePool: pool, state: isDropped ? "dropped" : "active" }, `${pool}|${isDropped}`, everyMs);
  const data = asked.answer?.data;
  const active = useMemo(
    () => (data?.activeTargets ?? []).map((target) => ({ target, hay: haystack(target.labels, target.scrapeUrl + target.lastError) })).sort((a, b) => RANK[a.target.health] - RANK[b.target.health]),
    [data],
  );
  const dropped = useMemo(() => (data?.droppedTargets ?? []).map((target) => ({ target, hay: haystack(target.discoveredLabels, target.scrapePool) })), [data]);
  const shownActive = useMemo(
    () => active.filter(({ target, hay }) => (state === "" || target.health === state) && matchesWords(hay, text)).map((one) => one.target),
    [active, state, text],
  );
  const shownDropped = useMemo(() => dropped.filter(({ hay }) => matchesWords(hay, text)).map((one) => one.target), [dropped, text]);
  // A server that just started finds and scrapes its first targets within seconds: who looks then should see it.
  const young = active.length < 500 && active.every(({ target }) => target.health === "unknown");
  const wanted = data && !isDropped && young ? YOUNG_MS : SETTLED_MS;
  if (wanted !== everyMs) setEveryMs(wanted);
  const count = (health: string) => active.filter(({ target }) => target.health === health).length;
  const droppedCount = Object.entries(data?.droppedTargetCounts ?? {}).reduce((sum, [name, n]) => (pool === "" || name === pool ? sum + n : sum), 0);
  const states: [value: string, text: string][] = [
    ["", isDropped ? "Active" : `Active ${active.length}`],
    ["down", isDropped ? "Down" : `Down ${count("down")}`],
    ["up", isDropped ? "Up" : `Up ${count("up")}`],
    ["unknown", isDropped ? "Not yet scraped" : `Not yet scraped ${count("unknown")}`],
    ["dropped", `Dropped ${droppedCount}`],
  ];
  return (
    <div>
      <h1>Targets</h1>
      <div class="row bar">
        <select value={pool} aria-label="Scrape pool" onChange={(e) => setPool(e.currentTarget.value)}>
          <option value="">all pools</option>
          {(pools.answer?.data.scrapePools ?? (pool ? [pool] : [])).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <span class="joined">
          {states.map(([value, title]) => (
            <button type="button" key={value} aria-pressed={state === value} onClick={() => setState(value)}>
              {title}
            </button>
          ))}
        </span>
        <Filter value={text} onChange={setText} placeholder="Filter by label, address or error" />
        <span class="muted">{isDropped ? shownDropped.length : shownActive.length} shown</span>
      </div>
      <State asked={asked} what="the targets" />
      {data && isDropped ? <DroppedTable rows={shownDropped} kept={data.droppedTargets.length} all={droppedCount} /> : null}
      {data && !isDropped ? <ActiveTable rows={shownActive} total={active.length} /> : null}
    </div>
  );
}

function ActiveTable({ rows, total }: { rows: Active[]; total: number }) {
  const utc = zone.value === "utc";
  if (rows.length === 0) {
    return total > 0 ? (
      <Empty>No target matches the filter.</Empty>
    ) : (
      <Empty>
        No target. Either discovery found none, or relabelling dropped them all: see <a href={address("discovery")}>Discovery</a>.
      </Empty>
    );
  }
  return (
    <VirtualTable
      label="Active targets"
      rows={rows}
      rowKey={(t) => `${t.scrapePool} ${t.scrapeUrl} ${JSON.stringify(t.labels)}`}
      rowHeight={33}
      columns={[
        {
          title: "State",
          width: "76px",
          by: (t) => RANK[t.health],
          cell: (t) => <span class={`badge ${t.health === "up" ? "good" : t.health === "down" ? "bad" : ""}`}>{t.health === "unknown" ? "waiting" : t.health}</span>,
        },
        { title: "Pool", width: "minmax(70px, 0.35fr)", wideOnly: true, by: (t) => t.scrapePool, cell: (t) => t.scrapePool },
        { title: "Target", width: "minmax(0, 1.6fr)", by: (t) => t.scrapeUrl, cell: (t) => <Target target={t} /> },
        {
          title: "Last scrape",
          width: "92px",
          wideOnly: true,
          by: (t) => Date.parse(t.lastScrape),
          cell: (t) => (isNever(t.lastScrape) ? "never" : <span title={time(Date.parse(t.lastScrape), utc)}>{ago(Date.parse(t.lastScrape))}</span>),
        },
        { title: "Took", width: "66px", number: true, by: (t) => t.lastScrapeDuration, cell: (t) => duration(t.lastScrapeDuration * 1000) },
        { title: "Samples", width: "72px", number: true, wideOnly: true, by: (t) => t.lastSamples ?? Number.NaN, cell: (t) => (t.lastSamples === undefined ? "" : short(t.lastSamples)) },
        { title: "Every", width: "56px", number: true, wideOnly: true, by: (t) => t.scrapeInterval, cell: (t) => t.scrapeInterval },
      ]}
    />
  );
}

function Target({ target: t }: { target: Active }) {
  const { job, instance, ...rest } = t.labels;
  return (
    <details class="target">
      <summary>
        <span class="mono strong">{instance ?? t.scrapeUrl}</span> {job === t.scrapePool ? null : <span class="muted">{job}</span>} <Labels labels={rest} />
        {t.lastError ? (
          <div class="notice bad">
            {t.lastErrorStage ? <span class="badge bad">{t.lastErrorStage}</span> : null} {t.lastError}
            {t.lastErrorCure ? <div class="cure">What to do: {t.lastErrorCure}.</div> : null}
          </div>
        ) : null}
      </summary>
      <TargetDetails target={t} />
    </details>
  );
}

function TargetDetails({ target: t }: { target: Active }) {
  const { instance = "", job = "" } = t.labels;
  const selector = `{job=${JSON.stringify(job)}, instance=${JSON.stringify(instance)}}`;
  const graph = (expr: string) => `${address("query")}?${writePanels([{ ...emptyPanel, expr, tab: "graph" }])}`;
  const command = `curl -sS ${JSON.stringify(t.scrapeUrl)}`;
  return (
    <dl class="facts">
      <dt>Address</dt>
      <dd>
        <a class="mono" href={t.scrapeUrl} rel="noreferrer">
          {t.scrapeUrl}
        </a>{" "}
        <Copy label="Copy as curl" text={command} />
      </dd>
      <dt>Labels</dt>
      <dd>
        <Labels labels={t.labels} />
      </dd>
      <dt>Before relabelling</dt>
      <dd>
        <Labels labels={t.discoveredLabels} />
      </dd>
      <dt>Scrape</dt>
      <dd>
        every {t.scrapeInterval}, given up after {t.scrapeTimeout}; last at {isNever(t.lastScrape) ? "no time yet" : time(Date.parse(t.lastScrape), zone.value === "utc")}
        {t.lastSamples === undefined ? "" : `, ${short(t.lastSamples)} samples`}
        {t.lastLateness === undefined ? "" : `, begun ${duration(t.lastLateness * 1000)} late`}
      </dd>
      <dt>Last hour</dt>
      <dd>
        <History selector={selector} />
      </dd>
      <dt>See</dt>
      <dd class="row">
        <a href={graph(`up${selector}`)}>up</a>
        <a href={graph(`scrape_duration_seconds${selector}`)}>scrape duration</a>
        <a href={graph(`scrape_samples_scraped${selector}`)}>samples</a>
        <a href={`${address("query")}?${writePanels([{ ...emptyPanel, expr: selector }])}`}>all series of this target</a>
      </dd>
    </dl>
  );
}

function DroppedTable({ rows, kept, all }: { rows: Dropped[]; kept: number; all: number }) {
  if (all === 0) return <Empty>No target was dropped by relabelling.</Empty>;
  return (
    <>
      {kept < all ? <p class="muted">The server keeps {kept} of {all} dropped targets; see keep_dropped_targets.</p> : null}
      <VirtualTable
        label="Dropped targets"
        rows={rows}
        columns={[
          { title: "Pool", width: "140px", cell: (t) => t.scrapePool, by: (t) => t.scrapePool },
          { title: "Labels before relabelling", width: "minmax(0, 1fr)", cell: (t) => <Labels labels={t.discoveredLabels} /> },
          { title: "Dropped by", width: "minmax(0, 0.4fr)", cell: (t) => t.droppedBy ?? "a relabel rule", by: (t) => t.droppedBy ?? "" },
        ]}
      />
    </>
  );
}
