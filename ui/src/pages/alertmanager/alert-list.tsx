// Thousands of alerts under the heads of their groups; only rows in view are in the document.
import { useMemo, useState } from "preact/hooks";
import { useRows } from "../../components/rows";
import { ago, time } from "../../lib/format";
import type { LabelSet } from "../../lib/labels";
import { printing } from "../../lib/printing";
import { zone } from "../../lib/settings";
import type { Alert } from "./api";
import { AlertDetails } from "./alert-details";
import { type Bundle, kindsOf, type Row, rows } from "./grouping";
import { type Matcher, matcher } from "./matchers";
import { silenceLink } from "./place";

/** Most rows that are printed. */
const PRINTED = 1000;

interface Props {
  bundles: readonly Bundle[];
  /** Whether groups are folded unless opened one by one. */
  folded: boolean;
  /** Without heads: the alerts alone. */
  flat?: boolean;
  onPick?: (matcher: Matcher) => void;
  label: string;
  /** All alerts by fingerprint, to name those that inhibit. */
  known: ReadonlyMap<string, Alert>;
}

export function AlertList({ bundles, folded, flat = false, onPick, label, known }: Props) {
  const [turned, setTurned] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  // A new choice for all groups ends the exceptions.
  const [before, setBefore] = useState(folded);
  if (before !== folded) {
    setBefore(folded);
    setTurned(new Set());
  }
  const list = useMemo(() => {
    const all = rows(bundles, (key) => folded !== turned.has(key));
    return flat ? all.filter((row) => row.kind === "alert") : all;
  }, [bundles, folded, turned, flat]);
  const keys = useMemo(() => list.map((row) => row.key), [list]);
  const shown = useRows(keys, 36);
  const whole = printing.value;
  const [first, end] = whole ? [0, PRINTED] : [shown.first, shown.end];
  return (
    <div class="alertlist" role="list" aria-label={label} ref={shown.scroller} style={{ height: whole ? "auto" : `min(${shown.total + 2}px, max(50vh, 100vh - 190px))` }} tabIndex={0}>
      <div role="presentation" style={{ height: whole ? "auto" : `${shown.total}px`, position: "relative" }}>
        {list.slice(first, end).map((row, i) => {
          const index = first + i;
          return (
            <div
              class={row.kind === "group" ? `item group ${loudest(row.bundle.alerts)}` : `item ${tone(row.alert)} ${row.alone || flat ? "" : "member"}`}
              role="listitem"
              aria-setsize={list.length}
              aria-posinset={index + 1}
              key={row.key}
              data-index={index}
              ref={shown.row}
              style={whole ? { position: "static" } : { transform: `translateY(${shown.offset(index)}px)` }}
            >
              {row.kind === "group" ? (
                <Head row={row} onPick={onPick} onTurn={() => setTurned(toggled(turned, row.bundle.key))} />
              ) : (
                <AlertRow row={row} open={opened.has(row.key)} onPick={onPick} onOpen={() => setOpened(toggled(opened, row.key))} known={known} />
              )}
            </div>
          );
        })}
      </div>
      {whole && list.length > PRINTED ? <p class="muted">The first {PRINTED} of {list.length} rows are printed.</p> : null}
    </div>
  );
}

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}

/** How loud an alert is drawn. */
function tone(alert: Alert): string {
  if (kindsOf(alert)[0] !== "active") return "quieted";
  const severity = (alert.labels.severity ?? alert.labels.priority ?? "").toLowerCase();
  if (/^(critical|page|emergency|disaster|fatal|high|error|p1)$/.test(severity)) return "loud";
  return /^(warn|warning|medium|p2)$/.test(severity) ? "warning" : "plain";
}

const TONES = ["quieted", "plain", "warning", "loud"];

/** Of the loudest of them: a folded group must not hide what matters. */
function loudest(alerts: readonly Alert[]): string {
  return TONES[alerts.reduce((worst, alert) => Math.max(worst, TONES.indexOf(tone(alert))), 0)] as string;
}

function Head({ row: { bundle, folded, shared }, onPick, onTurn }: { row: Extract<Row, { kind: "group" }>; onPick?: Props["onPick"]; onTurn: () => void }) {
  const quiet = bundle.alerts.filter((alert) => kindsOf(alert)[0] !== "active").length;
  const names = Object.keys(bundle.labels);
  const count = bundle.alerts.length;
  return (
    <div class="one">
      <div class="row">
        <button type="button" class="turn" aria-expanded={!folded} onClick={onTurn}>
          <span aria-hidden="true">{folded ? "▸" : "▾"}</span> <b>{count}</b>
          <span class="sr-only"> alerts of this group</span>
        </button>
        {names.length === 0 ? <span class="muted">{bundle.receiver === undefined ? "all alerts" : "without group labels"}</span> : <Picks labels={bundle.labels} onPick={onPick} strong />}
        <Picks labels={Object.fromEntries(Object.entries(shared).filter(([name]) => bundle.labels[name] === undefined))} onPick={onPick} />
        {quiet > 0 ? <span class="muted">{quiet === count ? "quiet" : `${quiet} quiet`}</span> : null}
      </div>
      <span class="row end">
        {bundle.receiver === undefined ? null : <span class="muted">to {bundle.receiver}</span>}
        {names.length > 0 ? (
          <a class="act" href={silenceLink(Object.entries(bundle.labels).map(([name, value]) => matcher(name, "=", value)))}>
            Silence group
          </a>
        ) : null}
      </span>
    </div>
  );
}

interface RowProps {
  row: Extract<Row, { kind: "alert" }>;
  open: boolean;
  onPick?: Props["onPick"];
  onOpen: () => void;
  known: Props["known"];
}

function AlertRow({ row: { alert, hide, alone }, open, onPick, onOpen, known }: RowProps) {
  const { alertname = "", ...others } = alert.labels;
  const rest = Object.fromEntries(Object.entries(others).filter(([name]) => hide[name] === undefined));
  const started = Date.parse(alert.startsAt);
  const summary = alert.annotations.summary ?? alert.annotations.message ?? alert.annotations.description ?? Object.values(alert.annotations)[0];
  return (
    <>
      <div class="one">
        <div class="row">
          <button type="button" class="turn" aria-expanded={open} onClick={onOpen}>
            <span aria-hidden="true">{open ? "▾" : "▸"}</span> <span class="strong">{alertname || "no name"}</span>
          </button>
          {kindsOf(alert).map((kind) =>
            kind === "active" ? null : (
              <span class="badge" key={kind}>
                {kind}
              </span>
            ),
          )}
          {alert.status.state === "unprocessed" ? <span class="badge">new</span> : null}
          <Picks labels={rest} onPick={onPick} />
          {summary ? <span class="muted summary">{summary}</span> : null}
        </div>
        <span class="row end">
          {alone?.receiver === undefined ? null : <span class="muted">to {alone.receiver}</span>}
          <span class="muted nowrap" title={time(started, zone.value === "utc")}>
            {ago(started)}
          </span>
          <a class="act" href={silenceLink(Object.entries(alert.labels).map(([name, value]) => matcher(name, "=", value)))}>
            Silence
          </a>
        </span>
      </div>
      {open ? <AlertDetails alert={alert} known={known} /> : null}
    </>
  );
}

/** Labels that add themselves to the filter. */
export function Picks({ labels, onPick, strong }: { labels: LabelSet; onPick?: Props["onPick"]; strong?: boolean }) {
  return (
    <>
      {Object.entries(labels).map(([name, value]) =>
        onPick ? (
          <button type="button" class={`label pick ${strong ? "strong" : ""}`} key={name} title="Show only these" onClick={() => onPick(matcher(name, "=", value))}>
            {name}="{value}"
          </button>
        ) : (
          <span class={`label ${strong ? "strong" : ""}`} key={name}>
            {name}="{value}"
          </span>
        ),
      )}
    </>
  );
}
