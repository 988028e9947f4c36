// Targets: filtered by the server, drawn as far as they are in view, with causes.
import { useState } from "preact/hooks";
import { Copy, Empty, Filter, Labels, State } from "../components/basics";
import { VirtualTable } from "../components/virtual";
import { address } from "../lib/base";
import { ago, duration, isNever, short, time } from "../lib/format";
import type { LabelSet } from "../lib/labels";
import { emptyPanel, writePanels } from "../lib/panels";
import { zone } from "../lib/settings";
import { useParameter, useSettled } from "../lib/parameter";
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
  /** Ours: of the pool and the search, by health. Absent where only what was dropped is asked for. */
  activeTargetCounts?: Record<Active["health"], number>;
  droppedTargets: Dropped[];
  droppedTargetCounts: Record<string, number> | null;
}

/** How often targets are asked for, ms: always, and while none was scraped yet. */
const SETTLED_MS = 10_000;
const YOUNG_MS = 1000;

/** Most rows that are asked for. The server sends what fails first. */
const MOST = 5000;

const RANK = { down: 0, unknown: 1, up: 2 };

export function TargetsPage() {
  const [pool, setPool] = useParameter("pool");
  const [state, setState] = useParameter("state");
  const [text, setText] = useParameter("filter");
  const pools = useAsk<{ scrapePools: string[] }>("scrape_pools", {}, "", 30_000);
  const [everyMs, setEveryMs] = useState(SETTLED_MS);
  const isDropped = state === "dropped";
  const search = useSettled(text);
  const health = isDropped ? "" : state;
  const asked = useAsk<TargetsData>("targets", { scrapePool: pool, state: isDropped ? "dropped" : "active", health, search, limit: MOST }, JSON.stringify([pool, state, search]), everyMs);
  const data = asked.answer?.data;
  const counts = data?.activeTargetCounts;
  const total = counts ? counts.up + counts.down + counts.unknown : 0;
  const rows = data?.activeTargets ?? [];
  // A server that just started finds and scrapes its first targets within seconds: who looks then should see it.
  const young = counts !== undefined && total < 500 && counts.up + counts.down === 0;
  const wanted = young && text === "" ? YOUNG_MS : SETTLED_MS;
  if (wanted !== everyMs) setEveryMs(wanted);
  const droppedCount = Object.entries(data?.droppedTargetCounts ?? {}).reduce((sum, [name, n]) => (pool === "" || name === pool ? sum + n : sum), 0);
  const titled = (title: string, n: number | undefined) => (n === undefined ? title : `${title} ${n}`);
  const states: [value: string, text: string][] = [
    ["", titled("Active", counts && total)],
    ["down", titled("Down", counts?.down)],
    ["up", titled("Up", counts?.up)],
    ["unknown", titled("Not yet scraped", counts?.unknown)],
    ["dropped", titled("Dropped", data && droppedCount)],
  ];
  const matching = isDropped ? (data?.droppedTargets.length ?? 0) : state === "" ? total : (counts?.[state as Active["health"]] ?? 0);
  const shown = isDropped ? (data?.droppedTargets.length ?? 0) : rows.length;
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
        {data ? <span class="muted">{shown < matching ? `the first ${shown} of ${matching} shown, what fails first` : `${shown} shown`}</span> : null}
      </div>
      <State asked={asked} what="the targets" />
      {data && isDropped ? <DroppedTable rows={data.droppedTargets} filtered={search !== ""} all={droppedCount} /> : null}
      {data && !isDropped ? <ActiveTable rows={rows} filtered={search !== "" || state !== ""} /> : null}
    </div>
  );
}

function ActiveTable({ rows, filtered }: { rows: Active[]; filtered: boolean }) {
  const utc = zone.value === "utc";
  if (rows.length === 0) {
    return filtered ? (
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
        { title: "Took", width: "66px", number: true, wideOnly: true, by: (t) => t.lastScrapeDuration, cell: (t) => duration(t.lastScrapeDuration * 1000) },
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
      <dt>Course</dt>
      <dd>
        <History target={t} selector={selector} />
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

function DroppedTable({ rows, filtered, all }: { rows: Dropped[]; filtered: boolean; all: number }) {
  if (all === 0) return <Empty>No target was dropped by relabelling.</Empty>;
  if (rows.length === 0 && filtered) return <Empty>No dropped target matches the filter.</Empty>;
  return (
    <>
      {rows.length < all && !filtered ? (
        <p class="muted">
          The server keeps {rows.length} of {all} dropped targets; see keep_dropped_targets.
        </p>
      ) : null}
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
