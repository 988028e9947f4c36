// The alerts: which there are, in groups, who is told, what keeps others quiet.
import { useEffect, useMemo } from "preact/hooks";
import { Empty, State } from "../../components/basics";
import { AlertList } from "./alert-list";
import { type Alert, type Group, useV2 } from "./api";
import { FilterBar } from "./filter-bar";
import { distinct, filtered, groupBy, KINDS, type Kind, kindsOf, labelNames } from "./grouping";
import { matchersText, matcherText, parseMatchers } from "./matchers";
import { usePlace } from "./place";

const EVERY_MS = 10_000;
/** From here on groups are folded at first: heads tell more than a part of the rows. */
const FOLD_FROM = 200;

export function AlertsPage() {
  const [place, change] = usePlace();
  const filter = place.get("filter") ?? "";
  const text = place.get("text") ?? "";
  const receiver = place.get("receiver") ?? "";
  const grouping = place.get("group");
  const kinds = new Set(KINDS.filter((kind) => (kind === "active" ? place.get(kind) !== "false" : place.get(kind) === "true")));
  const parsed = useMemo(() => parseMatchers(filter), [filter]);
  const matchers = parsed.matchers ?? [];
  // Whoever linked here, the palette for one, need not tell words from matchers.
  useEffect(() => {
    const given = /[=~]/.test(text) ? parseMatchers(text).matchers : undefined;
    if (given && given.length > 0) change({ filter: matchersText([...matchers, ...given]), text: undefined });
  }, [text]);
  // What keeps an alert quiet is filtered here: the numbers of all kinds are shown.
  const asked = useV2<Group[]>("alerts/groups", { filter: matchers.map(matcherText) }, filter, EVERY_MS);
  const receivers = useV2<{ name: string }[]>("receivers", {}, "", 60_000);
  const groups = asked.answer?.data;
  const all = useMemo(() => distinct(filtered(groups ?? [], { kinds: new Set(KINDS), receiver, text })), [groups, receiver, text]);
  const known = useMemo(() => new Map((groups ?? []).flatMap((group) => group.alerts).map((alert) => [alert.fingerprint, alert])), [groups]);
  const names = useMemo(() => labelNames(all), [all]);
  const bundles = useMemo(() => {
    const made = filtered(groups ?? [], { kinds, receiver, text });
    return grouping === null ? made : groupBy(distinct(made), grouping.split(",").map((name) => name.trim()).filter(Boolean));
  }, [groups, receiver, text, grouping, [...kinds].join()]);
  const count = (kind: Kind) => all.filter((alert) => kindsOf(alert).includes(kind)).length;
  const shown = useMemo(() => distinct(bundles).length, [bundles]);
  const fold = place.get("fold");
  const folded = fold === "all" || (fold === null && shown > FOLD_FROM && bundles.length > 1);
  const flat = grouping !== null && grouping.trim() === "";
  const receiverNames = receivers.answer?.data.map(({ name }) => name) ?? [];
  return (
    <>
      <FilterBar
        matchers={matchers}
        onMatchers={(next) => change({ filter: matchersText(next), text: undefined })}
        text={text}
        onText={(next) => change({ text: next })}
        alerts={known.size > 0 ? [...known.values()] : []}
        problem={parsed.problem}
      />
      <div class="row bar">
        <span class="joined">
          {KINDS.map((kind) => (
            <button type="button" key={kind} aria-pressed={kinds.has(kind)} onClick={() => change({ [kind]: kind === "active" ? (kinds.has(kind) ? "false" : undefined) : kinds.has(kind) ? undefined : "true" })}>
              {kind[0]?.toUpperCase()}
              {kind.slice(1)} {groups ? count(kind) : ""}
            </button>
          ))}
        </span>
        <label class="field">
          Receiver
          <select value={receiver} onChange={(e) => change({ receiver: e.currentTarget.value })}>
            <option value="">all</option>
            {[...new Set(receiver === "" || receiverNames.includes(receiver) ? receiverNames : [receiver, ...receiverNames])].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <Grouping value={grouping} names={names} onChange={(group) => setGroup(change, group)} />
        {flat || bundles.length === 0 ? null : (
          <span class="joined">
            <button type="button" onClick={() => change({ fold: "all" })} disabled={fold === "all"}>
              Fold
            </button>
            <button type="button" onClick={() => change({ fold: "none" })} disabled={fold === "none"}>
              Unfold
            </button>
          </span>
        )}
        <span class="muted" role="status">
          {groups ? `${shown} ${shown === 1 ? "alert" : "alerts"}${flat ? "" : ` in ${bundles.length} ${bundles.length === 1 ? "group" : "groups"}`}` : ""}
        </span>
      </div>
      <State asked={asked} what="the alerts" />
      {groups && bundles.length === 0 ? <Nothing all={all} filtered={filter !== "" || text !== "" || receiver !== ""} kinds={kinds} count={count} onShow={(kind) => change({ [kind]: "true" })} /> : null}
      {bundles.length > 0 ? (
        <AlertList
          label="Alerts"
          bundles={bundles}
          folded={folded && !flat}
          flat={flat}
          known={known}
          onPick={(one) => (matchers.some((other) => matcherText(other) === matcherText(one)) ? undefined : change({ filter: matchersText([...matchers, one]) }))}
        />
      ) : null}
    </>
  );
}

/** An empty list of labels is a choice of its own, so it must stay in the address. */
function setGroup(change: (changes: Record<string, string | undefined>) => void, group: string | undefined) {
  change({ group: group === "" ? " " : group });
}

/** By what the alerts are grouped: null for the groups that are told of together. */
function Grouping({ value, names, onChange }: { value: string | null; names: readonly string[]; onChange: (value: string | undefined) => void }) {
  const mode = value === null ? "sent" : value.trim() === "" ? "none" : "labels";
  const most = names.find((name) => name === "alertname") ?? names[0] ?? "alertname";
  return (
    <>
      <label class="field">
        Groups
        <select value={mode} onChange={(e) => onChange({ sent: undefined, none: "", labels: most }[e.currentTarget.value])}>
          <option value="sent">as they are told</option>
          <option value="labels">by labels</option>
          <option value="none">none</option>
        </select>
      </label>
      {mode === "labels" ? (
        <>
          <input
            type="text"
            class="grouplabels mono"
            aria-label="Labels to group by, with commas between"
            list="group-labels"
            value={value ?? ""}
            spellcheck={false}
            onChange={(e) => onChange(e.currentTarget.value)}
          />
          <datalist id="group-labels">
            {names.map((name) => (
              <option key={name} value={value?.includes(",") ? `${value.slice(0, value.lastIndexOf(","))},${name}` : name} />
            ))}
          </datalist>
        </>
      ) : null}
    </>
  );
}

interface NothingProps {
  all: readonly Alert[];
  filtered: boolean;
  kinds: ReadonlySet<Kind>;
  count: (kind: Kind) => number;
  onShow: (kind: Kind) => void;
}

function Nothing({ all, filtered: isFiltered, kinds, count, onShow }: NothingProps) {
  const hidden = KINDS.filter((kind) => !kinds.has(kind) && count(kind) > 0);
  return (
    <div>
      <Empty>
        {all.length === 0
          ? isFiltered
            ? "No alert passes the filter."
            : "No alert fires. Alerts appear here as soon as a Prometheus, or anything else, posts one to /api/v2/alerts."
          : "Nothing of the chosen kinds. There are others:"}
      </Empty>
      <div class="row">
        {hidden.map((kind) => (
          <button type="button" key={kind} onClick={() => onShow(kind)}>
            Show {count(kind)} {kind}
          </button>
        ))}
      </div>
    </div>
  );
}
