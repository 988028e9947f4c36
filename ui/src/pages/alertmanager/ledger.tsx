// The ledger: what became of alerts, the newest first; of one alert as a story with its moral: was someone told, or why not.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Copy, Empty, Notice, State } from "../../components/basics";
import { VirtualTable } from "../../components/virtual";
import { ago, duration, time } from "../../lib/format";
import { type LabelSet, matchesWords, seriesText } from "../../lib/labels";
import { zone } from "../../lib/settings";
import { type Alert, askV2, type Ledger, type LedgerEntry, useV2 } from "./api";
import { AlertDetails } from "./alert-details";
import { FilterBar } from "./filter-bar";
import { matchersText, matcherText, parseMatchers } from "./matchers";
import { link, usePlace } from "./place";
import { CHOICES, EVENTS, verdicts } from "./story";

const EVERY_MS = 10_000;
const SLOW_MS = 500;
const PAGE = 500;
const NONE: readonly Alert[] = [];
const VERDICT = { told: "good", failed: "bad", trying: "warn", quiet: "warn", waits: "" };
const WORDS = { told: "told", failed: "failed", trying: "trying", quiet: "kept quiet", waits: "waits" };

export function LedgerPage() {
  const [place] = usePlace();
  const fingerprint = place.get("fingerprint");
  return fingerprint ? <Story fingerprint={fingerprint} /> : <All />;
}

function All() {
  const [place, change] = usePlace();
  const filter = place.get("filter") ?? "";
  const text = place.get("text") ?? "";
  const choice = place.get("events") ?? "";
  const receiver = place.get("receiver") ?? "";
  const parsed = useMemo(() => parseMatchers(filter), [filter]);
  const parameters = { filter: (parsed.matchers ?? []).map(matcherText), event: [...(CHOICES[choice]?.events ?? [])], receiver, limit: PAGE };
  const key = `${filter}|${choice}|${receiver}`;
  // What is seldom found is looked for in all of the ledger: not every ten seconds.
  const [everyMs, setEveryMs] = useState(EVERY_MS);
  const asked = useV2<Ledger>("ledger", parameters, key, everyMs);
  const pace = (asked.tookMs ?? 0) > SLOW_MS ? 10 * EVERY_MS : EVERY_MS;
  if (pace !== everyMs) setEveryMs(pace);
  const receivers = useV2<{ name: string }[]>("receivers", {}, "", 60_000);
  const alerts = useV2<Alert[]>("alerts", {}, "");
  const [older, setOlder] = useState<Older>();
  useEffect(() => setOlder(undefined), [key]);
  const first = asked.answer?.data;
  const next = older ? older.next : first?.next;
  const entries = useMemo(() => {
    const recent = first?.entries ?? [];
    const last = recent[recent.length - 1]?.number ?? 0;
    // What was asked for before stays below what comes anew; between the two nothing is lost, for numbers have no gaps that matter.
    return [...recent, ...(older?.entries ?? []).filter(({ number }) => number < last)].filter((entry) => matchesWords(`${entry.text} ${entry.alerts.map(({ labels }) => seriesText(labels)).join(" ")}`.toLowerCase(), text));
  }, [first, older, text]);
  const more = async () => {
    try {
      const answer = await askV2<Ledger>("ledger", { ...parameters, before: next });
      setOlder({ entries: [...(older?.entries ?? (first?.entries.slice(-1) ?? [])), ...answer.data.entries], next: answer.data.next });
    } catch (error) {
      setOlder({ entries: older?.entries ?? [], next, problem: error instanceof Error ? error.message : String(error) });
    }
  };
  return (
    <>
      <FilterBar
        matchers={parsed.matchers ?? []}
        onMatchers={(list) => change({ filter: matchersText(list), text: undefined })}
        text={text}
        onText={(words) => change({ text: words })}
        alerts={alerts.answer?.data ?? NONE}
        problem={parsed.problem}
      />
      <div class="row bar">
        <span class="joined">
          {Object.entries(CHOICES).map(([value, { title }]) => (
            <button type="button" key={value} aria-pressed={choice === value} onClick={() => change({ events: value })}>
              {title}
            </button>
          ))}
        </span>
        <label class="field">
          Receiver
          <select value={receiver} onChange={(e) => change({ receiver: e.currentTarget.value })}>
            <option value="">all</option>
            {(receivers.answer?.data.map(({ name }) => name) ?? (receiver ? [receiver] : [])).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <span class="muted">{asked.answer ? `${entries.length} ${entries.length === 1 ? "entry" : "entries"}${next === undefined ? "" : ", there are older ones"}` : ""}</span>
      </div>
      <State asked={asked} what="the ledger" />
      {asked.answer && entries.length === 0 ? <Empty>{key === "||" && text === "" ? "Nothing has happened yet: no alert was ever reported." : "The ledger has nothing of this kind."}</Empty> : null}
      {entries.length > 0 ? <Entries entries={entries} alerts /> : null}
      {older?.problem ? <Notice kind="bad">{older.problem}</Notice> : null}
      {next === undefined ? null : (
        <p>
          <button type="button" onClick={() => void more()}>
            Show older ones
          </button>
        </p>
      )}
    </>
  );
}

interface Older {
  entries: LedgerEntry[];
  next?: number;
  problem?: string;
}

function Entries({ entries, alerts }: { entries: readonly LedgerEntry[]; alerts: boolean }) {
  const utc = zone.value === "utc";
  return (
    <VirtualTable
      label="Entries of the ledger"
      rows={entries}
      rowKey={({ number }) => String(number)}
      rowHeight={alerts ? 52 : 31}
      columns={[
        { title: "When", width: "150px", wideOnly: true, cell: ({ at }) => <span title={ago(Date.parse(at))}>{time(Date.parse(at), utc)}</span> },
        { title: "What", width: "116px", wideOnly: true, cell: ({ event }) => <EventBadge event={event} /> },
        {
          title: "Entry",
          width: "minmax(0, 1fr)",
          cell: (entry) => (
            <>
              <div class="narrowonly">
                <EventBadge event={entry.event} /> <span class="muted">{time(Date.parse(entry.at), utc)}</span>
              </div>
              {alerts ? <Subjects entry={entry} /> : null}
              <div class="sentence">
                <Sentence entry={entry} />
              </div>
            </>
          ),
        },
      ]}
    />
  );
}

function EventBadge({ event }: { event: string }) {
  const [, title, badge] = EVENTS.find(([name]) => name === event) ?? ["", event, ""];
  return <span class={`badge ${badge}`}>{title}</span>;
}

function Subjects({ entry }: { entry: LedgerEntry }) {
  const shown = entry.alerts.slice(0, 3);
  const rest = entry.alerts.length - shown.length + (entry.more ?? 0);
  return (
    <>
      {shown.map(({ fingerprint, labels }) => (
        <div key={fingerprint}>
          <a href={link("ledger", { fingerprint })} class="strong">
            {labels.alertname ?? fingerprint}
          </a>{" "}
          <Rest labels={labels} />
        </div>
      ))}
      {rest > 0 ? <div class="muted">and {rest} more</div> : null}
    </>
  );
}

function Rest({ labels }: { labels: LabelSet }) {
  return (
    <>
      {Object.entries(labels)
        .filter(([name]) => name !== "alertname")
        .map(([name, value]) => (
          <span class="label" key={name}>
            {name}="{value}"
          </span>
        ))}
    </>
  );
}

/** Times of a sentence in the chosen zone. */
function readable(text: string): string {
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g, (at) => time(Date.parse(at), zone.value === "utc"));
}

/** The sentence, with links to the silences or the alert that it names. */
function Sentence({ entry }: { entry: LedgerEntry }) {
  const { cause } = entry;
  return (
    <>
      {readable(entry.text)}
      {cause?.silences?.map((id) => (
        <span key={id}>
          {" "}
          <a href={link("silences", { id })}>see the silence</a>
        </span>
      ))}
      {cause?.source ? (
        <>
          {" "}
          <a href={link("ledger", { fingerprint: cause.source })}>see that alert</a>
        </>
      ) : null}
    </>
  );
}

function Story({ fingerprint }: { fingerprint: string }) {
  const asked = useV2<Ledger>("ledger", { fingerprint, limit: PAGE }, fingerprint, EVERY_MS);
  const present = useV2<Alert[]>("alerts", {}, "", EVERY_MS);
  const entries = asked.answer?.data.entries ?? [];
  const known = useMemo(() => new Map((present.answer?.data ?? []).map((alert) => [alert.fingerprint, alert])), [present.answer]);
  const alert = known.get(fingerprint);
  const labels = alert?.labels ?? entries.flatMap((entry) => entry.alerts).find((one) => one.fingerprint === fingerprint && Object.keys(one.labels).length > 0)?.labels;
  const utc = zone.value === "utc";
  const when = (at: string) => {
    const ms = Date.parse(at);
    return ms > Date.now() ? `in ${duration(ms - Date.now())}` : ago(ms);
  };
  const found = verdicts(entries, when);
  return (
    <>
      <p>
        <a href={link("ledger")}>The whole ledger</a>
      </p>
      <State asked={asked} what="the ledger" />
      {labels ? (
        <h2 class="subject">
          {labels.alertname ?? "An alert without a name"} <Rest labels={labels} />
        </h2>
      ) : null}
      {asked.answer && entries.length === 0 ? <Empty>The ledger knows no alert with this fingerprint: it is of another process, or older than the ledger reaches back.</Empty> : null}
      {entries.length > 0 ? (
        <>
          <h2>Was someone told?</h2>
          {found.length === 0 ? <p>Nobody yet: it is in no group so far.</p> : null}
          <ul class="verdicts">
            {found.map((one) => (
              <li key={one.receiver}>
                <span class={`badge ${VERDICT[one.state]}`}>{WORDS[one.state]}</span> <b>{one.receiver}</b> {readable(one.text)}
                {one.before ? <span class="muted"> (told before, {one.before})</span> : null}
              </li>
            ))}
          </ul>
          <h2>What happened</h2>
          <div class="row bar">
            <Copy label="Copy as text" text={() => entries.map((entry) => `${time(Date.parse(entry.at), utc)} ${entry.text}`).join("\n")} />
            <Copy label="Copy the command that tells it" text={`gauntlet am explain '${matchersText(Object.entries(labels ?? {}).map(([name, value]) => ({ name, value, isRegex: false })))}'`} />
          </div>
          <Entries entries={entries} alerts={false} />
        </>
      ) : null}
      {alert ? (
        <>
          <h2>The alert now</h2>
          <AlertDetails alert={alert} known={known} story />
        </>
      ) : entries.length > 0 && present.answer ? (
        <p class="muted">It does not fire at present.</p>
      ) : null}
    </>
  );
}
