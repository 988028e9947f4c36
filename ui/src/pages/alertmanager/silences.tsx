// The silences: which hold, which will, which did; one of them with what it quiets; and the form that makes and changes them.
import { useLocation } from "preact-iso";
import { useMemo, useRef, useState } from "preact/hooks";
import { Copy, Empty, Notice, State } from "../../components/basics";
import { VirtualTable } from "../../components/virtual";
import { ago, duration, time } from "../../lib/format";
import { matchesWords } from "../../lib/labels";
import { zone } from "../../lib/settings";
import { type Asked } from "../../lib/use";
import { AlertList } from "./alert-list";
import { type Alert, expireSilence, type Silence, type SilenceState, useV2 } from "./api";
import { FilterBar } from "./filter-bar";
import { matcherText, matchersText, parseMatchers } from "./matchers";
import { link, usePlace } from "./place";
import { SilenceForm } from "./silence-form";

const EVERY_MS = 10_000;
const STATES: readonly SilenceState[] = ["active", "pending", "expired"];
const BADGE = { active: "good", pending: "warn", expired: "" };

export function SilencesPage() {
  const [place] = usePlace();
  const made = place.get("new");
  const edit = place.get("edit");
  const copy = place.get("copy");
  const id = place.get("id");
  if (made !== null) return <SilenceForm how="new" of="" text={made} comment={place.get("comment") ?? ""} />;
  if (edit) return <SilenceForm how="edit" of={edit} text="" comment="" />;
  if (copy) return <SilenceForm how="copy" of={copy} text="" comment="" />;
  return id ? <One id={id} /> : <List />;
}

/** When it ends or ended. */
function when({ status, startsAt, endsAt }: Silence): string {
  const now = Date.now();
  if (status.state === "expired") return `ended ${ago(Date.parse(endsAt))}`;
  if (status.state === "pending") return `starts in ${duration(Math.max(Date.parse(startsAt) - now, 0))}`;
  return `${duration(Math.max(Date.parse(endsAt) - now, 0))} left`;
}

function List() {
  const { route } = useLocation();
  const [place, change] = usePlace();
  const filter = place.get("filter") ?? "";
  const text = place.get("text") ?? "";
  const state = (STATES.find((one) => one === place.get("state")) ?? "active") as SilenceState;
  const parsed = useMemo(() => parseMatchers(filter), [filter]);
  const asked = useV2<Silence[]>("silences", { filter: (parsed.matchers ?? []).map(matcherText) }, filter, EVERY_MS);
  const quiet = useV2<Alert[]>("alerts", { active: false }, "", EVERY_MS);
  const counts = useMemo(() => {
    const found = new Map<string, number>();
    for (const { status } of quiet.answer?.data ?? []) for (const id of status.silencedBy) found.set(id, (found.get(id) ?? 0) + 1);
    return found;
  }, [quiet.answer]);
  const all = useMemo(
    () => (asked.answer?.data ?? []).map((silence) => ({ silence, hay: `${matchersText(silence.matchers)} ${silence.createdBy} ${silence.comment} ${silence.id}`.toLowerCase() })).filter(({ hay }) => matchesWords(hay, text)),
    [asked.answer, text],
  );
  const rows = all.filter(({ silence }) => silence.status.state === state).map(({ silence }) => silence);
  const utc = zone.value === "utc";
  const [ending, setEnding] = useState<Silence>();
  return (
    <>
      <FilterBar
        matchers={parsed.matchers ?? []}
        onMatchers={(next) => change({ filter: matchersText(next), text: undefined })}
        text={text}
        onText={(next) => change({ text: next })}
        alerts={quiet.answer?.data ?? []}
        problem={parsed.problem}
      />
      <div class="row bar">
        <span class="joined">
          {STATES.map((one) => (
            <button type="button" key={one} aria-pressed={state === one} onClick={() => change({ state: one === "active" ? undefined : one })}>
              {one[0]?.toUpperCase()}
              {one.slice(1)} {asked.answer ? all.filter(({ silence }) => silence.status.state === one).length : ""}
            </button>
          ))}
        </span>
        <a class="button primary" href={link("silences", { new: "{}" })}>
          New silence
        </a>
      </div>
      <State asked={asked} what="the silences" />
      {asked.answer && rows.length === 0 ? (
        <Empty>
          {filter !== "" || text !== ""
            ? `No ${state} silence passes the filter. Matchers look for silences that have them, letter for letter.`
            : { active: "Nothing is silenced.", pending: "No silence is to come.", expired: "No silence that is over is remembered." }[state]}
        </Empty>
      ) : null}
      {rows.length > 0 ? (
        <VirtualTable
          label="Silences"
          rows={rows}
          rowKey={({ id }) => id}
          rowHeight={52}
          columns={[
            {
              title: "Silences",
              width: "minmax(0, 1.6fr)",
              cell: (one) => (
                <>
                  <a href={link("silences", { id: one.id })} class="strong">
                    {one.matchers.map((m) => (
                      <span class="label" key={matcherText(m)}>
                        {matcherText(m)}
                      </span>
                    ))}
                  </a>
                  <div class="muted">
                    {one.createdBy}: {one.comment}
                  </div>
                </>
              ),
            },
            {
              title: state === "pending" ? "Starts" : state === "active" ? "Left" : "Ended",
              width: "132px",
              by: (one) => Date.parse(state === "pending" ? one.startsAt : one.endsAt),
              cell: (one) => <span title={`${time(Date.parse(one.startsAt), utc)} to ${time(Date.parse(one.endsAt), utc)}`}>{when(one)}</span>,
            },
            { title: "Alerts", width: "64px", number: true, wideOnly: true, by: (one) => counts.get(one.id) ?? 0, cell: (one) => counts.get(one.id) ?? (state === "active" ? 0 : "") },
            {
              title: "Actions",
              width: state === "expired" ? "70px" : "180px",
              wideOnly: true,
              cell: (one) => <Actions silence={one} onEnd={() => setEnding(one)} />,
            },
          ]}
        />
      ) : null}
      {ending ? <End silence={ending} alerts={counts.get(ending.id) ?? 0} onDone={() => setEnding(undefined)} onEnded={() => route(link("silences", { id: ending.id }))} /> : null}
    </>
  );
}

function Actions({ silence, onEnd }: { silence: Silence; onEnd: () => void }) {
  return (
    <span class="row actions">
      {silence.status.state === "expired" ? null : <a href={link("silences", { edit: silence.id })}>Edit</a>}
      <a href={link("silences", { copy: silence.id })}>Copy</a>
      {silence.status.state === "expired" ? null : (
        <button type="button" class="quiet" onClick={onEnd}>
          Expire
        </button>
      )}
    </span>
  );
}

function One({ id }: { id: string }) {
  const [round, setRound] = useState(0);
  const asked = useV2<Silence>(`silence/${encodeURIComponent(id)}`, {}, `${id} ${round}`, EVERY_MS);
  return (
    <>
      <p>
        <a href={link("silences")}>All silences</a>
      </p>
      <State asked={asked} what="the silence" />
      {asked.answer ? <Shown silence={asked.answer.data} onChange={() => setRound(round + 1)} /> : null}
    </>
  );
}

const NONE = new Map<string, Alert>();

function Shown({ silence, onChange }: { silence: Silence; onChange: () => void }) {
  const utc = zone.value === "utc";
  const [ending, setEnding] = useState(false);
  const over = silence.status.state === "expired";
  const asked: Asked<Alert[]> = useV2<Alert[]>(over ? undefined : "alerts", { filter: silence.matchers.map(matcherText) }, silence.id, EVERY_MS);
  const alerts = asked.answer?.data;
  const bundles = useMemo(() => [{ key: "", labels: {}, alerts: alerts ?? [] }], [alerts]);
  return (
    <>
      <div class="row bar">
        <span class={`badge ${BADGE[silence.status.state]}`}>{silence.status.state}</span>
        <b>{when(silence)}</b>
        <Actions silence={silence} onEnd={() => setEnding(true)} />
      </div>
      <dl class="facts">
        <dt>Matchers</dt>
        <dd>
          {silence.matchers.map((one) => (
            <span class="label" key={matcherText(one)}>
              {matcherText(one)}
            </span>
          ))}{" "}
          <Copy text={matchersText(silence.matchers)} />
        </dd>
        <dt>From</dt>
        <dd>{time(Date.parse(silence.startsAt), utc)}</dd>
        <dt>Until</dt>
        <dd>{time(Date.parse(silence.endsAt), utc)}</dd>
        <dt>By</dt>
        <dd>{silence.createdBy}</dd>
        <dt>Comment</dt>
        <dd>{silence.comment}</dd>
        <dt>Changed</dt>
        <dd>{time(Date.parse(silence.updatedAt), utc)}</dd>
        <dt>Id</dt>
        <dd class="mono">
          {silence.id} <Copy text={`gauntlet am silence expire ${silence.id}`} label="Copy the command that expires it" />
        </dd>
      </dl>
      {over ? null : (
        <>
          <h2>{silence.status.state === "active" ? "Present alerts that it quiets" : "Present alerts that it will quiet"}</h2>
          <State asked={asked} what="the alerts" />
          {alerts?.length === 0 ? <Empty>None at present.</Empty> : null}
          {alerts && alerts.length > 0 ? <AlertList label="Alerts of this silence" bundles={bundles} folded={false} flat known={NONE} /> : null}
        </>
      )}
      {ending ? <End silence={silence} alerts={alerts?.length ?? 0} onDone={() => setEnding(false)} onEnded={onChange} /> : null}
    </>
  );
}

/** Asks before it ends a silence. Where the keyboard is, nothing happens by a key too many: leaving is the first choice. */
function End({ silence, alerts, onDone, onEnded }: { silence: Silence; alerts: number; onDone: () => void; onEnded: () => void }) {
  const [refused, setRefused] = useState<string>();
  const [busy, setBusy] = useState(false);
  const shown = useRef(false);
  const end = async () => {
    setBusy(true);
    try {
      await expireSilence(silence.id);
      onDone();
      onEnded();
    } catch (error) {
      setBusy(false);
      setRefused(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <dialog
      class="ask"
      aria-label="Expire the silence"
      onClose={onDone}
      ref={(element) => {
        if (!element || shown.current) return;
        shown.current = true;
        element.showModal();
      }}
    >
      <h2>Expire this silence?</h2>
      <p>
        {silence.matchers.map((one) => (
          <span class="label" key={matcherText(one)}>
            {matcherText(one)}
          </span>
        ))}
      </p>
      <p>{alerts > 0 ? `${alerts} ${alerts === 1 ? "alert that it quiets" : "alerts that it quiets"} will be told of again.` : "It quiets no alert at present."}</p>
      {refused ? <Notice kind="bad">{refused}</Notice> : null}
      <div class="row">
        <button type="button" onClick={onDone}>
          Leave it
        </button>
        <button type="button" class="danger" disabled={busy} onClick={() => void end()}>
          Expire
        </button>
      </div>
    </dialog>
  );
}
