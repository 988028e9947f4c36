// A silence is written: which alerts, for how long, by whom and why; which present alerts it would quiet is shown all the while.
import { useLocation } from "preact-iso";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Loading, Notice } from "../../components/basics";
import { duration as spoken, time } from "../../lib/format";
import { zone } from "../../lib/settings";
import { formatDuration, timeText } from "../../lib/time";
import { AlertList } from "./alert-list";
import { type Alert, type Silence, saveSilence, useV2 } from "./api";
import { DEFAULT_MS, type Draft, fromSilence, moment, mornings, problems, replaces, span, toApi } from "./draft";
import { labelNames, labelValues } from "./grouping";
import { type Matcher, matcher, matcherText, OPERATORS, type Operator, operatorOf, parseMatchers, problemOf } from "./matchers";
import { link } from "./place";

const AUTHOR = "gauntlet.author";
/** Quiet time after a key before the server is asked, ms. */
const PAUSE_MS = 250;
const LENGTHS = ["30m", "1h", "2h", "4h", "8h", "1d", "3d", "1w"];

/** Asks for the silence that is changed or copied, if there is one. */
export function SilenceForm({ of, how, text, comment }: { of: string; how: "new" | "edit" | "copy"; text: string; comment: string }) {
  const asked = useV2<Silence>(how === "new" ? undefined : `silence/${encodeURIComponent(of)}`, {}, of);
  const before = asked.answer?.data;
  const utc = zone.value === "utc";
  if (how !== "new" && !before) return asked.error ? <Notice kind="bad">{asked.error.message}</Notice> : <Loading what="the silence" />;
  const parsed = parseMatchers(text);
  const draft: Draft = before
    ? fromSilence(before, how === "edit" ? "edit" : "copy", (ms) => timeText(ms, utc))
    : { matchers: parsed.matchers ?? [], start: "", end: "", duration: formatDuration(DEFAULT_MS), createdBy: localStorage.getItem(AUTHOR) ?? "", comment };
  return (
    <>
      {parsed.problem ? <Notice kind="warn">The link has no matchers that can be read: {parsed.problem}.</Notice> : null}
      <Form key={`${how} ${of} ${text}`} first={draft} before={how === "edit" ? before : undefined} />
    </>
  );
}

function Form({ first, before }: { first: Draft; before?: Silence }) {
  const { route } = useLocation();
  const [draft, setDraft] = useState(() => (first.matchers.length > 0 ? first : { ...first, matchers: [matcher("", "=", "")] }));
  const [touched, setTouched] = useState(false);
  const [saving, setSaving] = useState(false);
  const [refused, setRefused] = useState<string>();
  const utc = zone.value === "utc";
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  // A row that nobody has filled in yet is none.
  const meant = { ...draft, matchers: draft.matchers.filter(({ name, value }) => name !== "" || value !== "") };
  const found = problems(meant, now, utc);
  const { start, end } = span(meant, now, utc);
  const set = (change: Partial<Draft>) => setDraft((old) => ({ ...old, ...change }));
  const say = (field: keyof typeof found) => (touched || (field !== "createdBy" && field !== "comment" && field !== "matchers") ? found[field] : undefined);
  const save = async () => {
    setTouched(true);
    if (Object.keys(found).length > 0) return;
    setSaving(true);
    setRefused(undefined);
    try {
      localStorage.setItem(AUTHOR, draft.createdBy.trim());
      const id = await saveSilence(toApi(meant, Date.now(), utc));
      route(link("silences", { id }));
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
      setSaving(false);
    }
  };
  return (
    <form
      class="silenceform"
      onSubmit={(e) => {
        e.preventDefault();
        void save();
      }}
      onKeyDown={(e) => {
        if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) void save();
      }}
    >
      <h2>Which alerts</h2>
      <Matchers matchers={draft.matchers} onChange={(matchers) => set({ matchers })} />
      <Problem text={meant.matchers.some((one) => problemOf(one) !== undefined) ? undefined : say("matchers")} />
      <h2>How long</h2>
      <div class="fields">
        <label>
          From
          <input type="text" placeholder="now" value={draft.start} onInput={(e) => set({ start: e.currentTarget.value })} />
        </label>
        <label>
          For
          <input
            type="text"
            value={draft.end.trim() === "" || start === undefined || end === undefined ? draft.duration : formatDuration(Math.max(Math.round((end - start) / 60_000) * 60_000, 0))}
            onInput={(e) => set({ duration: e.currentTarget.value, end: "" })}
          />
        </label>
        <label>
          Until
          <input type="text" value={draft.end.trim() === "" ? (end === undefined ? "" : timeText(end, utc)) : draft.end} onInput={(e) => set({ end: e.currentTarget.value })} />
        </label>
        <span class="row lengths">
          {LENGTHS.map((text) => (
            <button type="button" key={text} aria-pressed={draft.end.trim() === "" && draft.duration === text} onClick={() => set({ duration: text, end: "" })}>
              {text}
            </button>
          ))}
          {Object.entries(mornings(now, utc)).map(([name, ms]) => (
            <button type="button" key={name} onClick={() => set({ end: timeText(ms, utc) })}>
              until {name === "monday" ? "Monday" : name} 9:00
            </button>
          ))}
        </span>
      </div>
      <p class="muted hint">
        {start !== undefined && end !== undefined && end > start ? `From ${moment(draft.start, now, utc) === now ? "now" : time(start, utc)} until ${time(end, utc)}, ${spoken(end - start)}. ` : ""}
        Times are {utc ? "in UTC" : "local"}; <code>+2h</code> and <code>now-5m</code> are times too.
      </p>
      <Problem text={say("start") ?? say("end")} />
      <h2>Who and why</h2>
      <div class="fields">
        <label>
          By
          <input type="text" autocomplete="username" value={draft.createdBy} onInput={(e) => set({ createdBy: e.currentTarget.value })} />
        </label>
        <label class="wide">
          Comment
          <textarea rows={2} value={draft.comment} onInput={(e) => set({ comment: e.currentTarget.value })} />
        </label>
      </div>
      <Problem text={say("createdBy") ?? say("comment")} />
      {before && replaces(meant, before, now, utc) ? (
        <Notice kind="info">{before.status.state === "expired" ? "The silence is over: this makes a new one." : "Other matchers or another start make a new silence; the present one ends when this is saved."}</Notice>
      ) : null}
      {refused ? <Notice kind="bad">Not saved: {refused}</Notice> : null}
      <div class="row save">
        <button type="submit" class="primary" disabled={saving}>
          {saving ? "Saving …" : before ? "Save changes" : "Silence"}
        </button>
        <a href={before ? link("silences", { id: before.id }) : link("silences")}>Cancel</a>
        <span class="muted">
          <kbd>Ctrl</kbd> <kbd>Enter</kbd> saves
        </span>
      </div>
      <Preview matchers={meant.matchers} />
    </form>
  );
}

function Problem({ text }: { text: string | undefined }) {
  return text ? (
    <p class="problem" role="alert">
      {text}
    </p>
  ) : null;
}

function Matchers({ matchers, onChange }: { matchers: Matcher[]; onChange: (matchers: Matcher[]) => void }) {
  const asked = useV2<Alert[]>("alerts", {}, "");
  const alerts = asked.answer?.data ?? [];
  const names = useMemo(() => labelNames(alerts).slice(0, 200), [asked.answer]);
  const box = useRef<HTMLDivElement>(null);
  const put = (index: number, one: Matcher) => onChange(matchers.map((old, i) => (i === index ? one : old)));
  // A whole list, or a name with its operator, may be pasted where a name belongs.
  const named = (index: number, text: string) => {
    const parsed = /[=~]/.test(text) ? parseMatchers(text).matchers : undefined;
    if (parsed && parsed.length > 0 && parsed.every(({ value }) => value !== "")) onChange([...matchers.slice(0, index), ...parsed, ...matchers.slice(index + 1)]);
    else put(index, { ...(matchers[index] as Matcher), name: text.trim() });
  };
  return (
    <div class="matchers" ref={box}>
      {matchers.map((one, i) => {
        const odd = one.name === "" && one.value === "" ? undefined : problemOf(one);
        return (
          <div class="row matcher" key={i}>
            <input type="text" class="mono" list="silence-names" placeholder="label, or a pasted list of matchers" aria-label="Label" spellcheck={false} value={one.name} onInput={(e) => named(i, e.currentTarget.value)} />
            <select class="mono" aria-label="How it is compared" value={operatorOf(one)} onChange={(e) => put(i, matcher(one.name, e.currentTarget.value as Operator, one.value))}>
              {OPERATORS.map((operator) => (
                <option key={operator}>{operator}</option>
              ))}
            </select>
            <input type="text" class="mono value" list={`silence-values-${i}`} placeholder={one.isRegex ? "regular expression of the whole value" : "value"} aria-label="Value" aria-invalid={odd !== undefined} spellcheck={false} value={one.value} onInput={(e) => put(i, { ...one, value: e.currentTarget.value })} />
            <datalist id={`silence-values-${i}`}>
              {labelValues(alerts, one.name, 60).map((value) => (
                <option key={value} value={value} />
              ))}
            </datalist>
            <button type="button" class="quiet" aria-label={`Remove ${matcherText(one)}`} disabled={matchers.length === 1} onClick={() => onChange(matchers.filter((_, j) => j !== i))}>
              ×
            </button>
            {odd ? (
              <span class="refused" role="alert">
                {odd}
              </span>
            ) : null}
          </div>
        );
      })}
      <datalist id="silence-names">
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <button
        type="button"
        onClick={() => {
          onChange([...matchers, matcher("", "=", "")]);
          requestAnimationFrame(() => box.current?.querySelector<HTMLInputElement>(".matcher:last-of-type input")?.focus());
        }}
      >
        Add a matcher
      </button>
    </div>
  );
}

const EMPTY = new Map<string, Alert>();

/** Which present alerts the matchers mean. The server judges: also whether it takes the matchers. */
function Preview({ matchers }: { matchers: Matcher[] }) {
  const wanted = matchers.map(matcherText);
  const key = wanted.join();
  const [settled, setSettled] = useState(key);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(key), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [key]);
  const askable = matchers.length > 0 && matchers.every((one) => problemOf(one) === undefined);
  const asked = useV2<Alert[]>(askable && settled === key ? "alerts" : undefined, { filter: wanted }, settled);
  const alerts = asked.answer?.data;
  const bundles = useMemo(() => (alerts ? [{ key: "", labels: {}, alerts }] : []), [alerts]);
  const quiet = alerts?.filter(({ status }) => status.silencedBy.length > 0).length ?? 0;
  return (
    <section aria-label="Preview">
      <h2>Present alerts that it means</h2>
      {asked.error ? <Notice kind="bad">{asked.error.message}</Notice> : null}
      {!askable ? (
        <p class="muted">{matchers.length === 0 ? "Shown as soon as there is a matcher." : "Shown as soon as all matchers can be read."}</p>
      ) : alerts === undefined ? (
        asked.error ? null : <Loading what="the alerts" />
      ) : alerts.length === 0 ? (
        <p class="muted">None at present: the silence would wait for alerts to come.</p>
      ) : (
        <>
          <p>
            <b>
              {alerts.length} {alerts.length === 1 ? "alert" : "alerts"}
            </b>
            {quiet > 0 ? `, ${quiet} of them silenced already` : ""}
          </p>
          <AlertList label="Present alerts that it means" bundles={bundles} folded={false} flat known={EMPTY} />
        </>
      )}
    </section>
  );
}
