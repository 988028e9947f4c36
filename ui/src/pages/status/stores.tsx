// Stores behind the role `query`: which answer, what they cover, which labels they have.
import { useMemo } from "preact/hooks";
import { Empty, Filter, Labels, State } from "../../components/basics";
import { type Span, TimeLine } from "../../components/timeline";
import { VirtualTable } from "../../components/virtual";
import { ago, isNever, time } from "../../lib/format";
import { haystack, type LabelSet, matchesWords } from "../../lib/labels";
import { useParameter } from "../../lib/parameter";
import { zone } from "../../lib/settings";
import { useAsk } from "../../lib/use";

interface Store {
  name: string;
  lastCheck: string;
  lastError: string | null;
  labelSets: LabelSet[] | null;
  minTime: number;
  maxTime: number;
}

/** Bounds beyond this are not times but "open". */
const OPEN_MS = 8e15;

export function Stores() {
  const [text, setText] = useParameter("filter");
  const asked = useAsk<Record<string, Store[]>>("stores", { unanswered: true }, "", 10_000);
  const all = useMemo(
    () =>
      Object.entries(asked.answer?.data ?? {})
        .flatMap(([kind, stores]) => stores.map((store) => ({ kind, ...store, hay: `${kind} ${store.name} ${(store.labelSets ?? []).map((set) => haystack(set)).join("\n")}`.toLowerCase() })))
        .sort((a, b) => Number(b.lastError !== null) - Number(a.lastError !== null)),
    [asked.answer],
  );
  const rows = all.filter((store) => matchesWords(store.hay, text));
  const utc = zone.value === "utc";
  const bound = (store: Store, ms: number) => (store.minTime > store.maxTime ? "" : Math.abs(ms) > OPEN_MS ? "open" : time(ms, utc));
  const spans = rows.filter((store) => store.minTime > 0 && store.minTime <= store.maxTime).map<Span>((store) => ({ from: store.minTime, to: Math.min(store.maxTime, Date.now()), lane: store.name, text: `${store.name}: ${bound(store, store.minTime)} to ${bound(store, store.maxTime)}`, kind: "block" }));
  return (
    <>
      <State asked={asked} what="the stores" />
      {asked.answer && all.length === 0 ? <Empty>No store is known. They are named with --endpoint=HOST:PORT.</Empty> : null}
      {all.length > 0 ? (
        <>
          <div class="row bar">
            <Filter value={text} onChange={setText} placeholder="Filter by name, kind or label" />
            <span class="muted">
              {rows.length} stores, {rows.filter((store) => store.lastError).length} down
            </span>
          </div>
          {spans.length > 1 && spans.length <= 30 ? <TimeLine spans={spans} label="What each store covers" /> : null}
          <VirtualTable
            label="Stores"
            rows={rows}
            rowKey={(store) => store.kind + store.name}
            columns={[
              { title: "State", width: "64px", cell: (s) => <span class={`badge ${s.lastError ? "bad" : isNever(s.lastCheck) ? "" : "good"}`}>{s.lastError ? "down" : isNever(s.lastCheck) ? "asked" : "up"}</span>, by: (s) => (s.lastError ? 0 : 1) },
              {
                title: "Endpoint",
                width: "minmax(0, 1.6fr)",
                by: (s) => s.name,
                cell: (s) => (
                  <>
                    <span class="mono">{s.name}</span>
                    <div class="narrow-only">
                      <LabelSets sets={s.labelSets} />
                    </div>
                    {s.lastError ? (
                      <div class="notice bad">
                        {s.lastError}
                        <div class="cure">What to do: start it, or take it from the flags. Until then answers lack its data.</div>
                      </div>
                    ) : null}
                  </>
                ),
              },
              { title: "Kind", width: "80px", cell: (s) => (s.kind === "unanswered" ? "" : s.kind), by: (s) => s.kind, wideOnly: true },
              { title: "From", width: "165px", cell: (s) => bound(s, s.minTime), by: (s) => s.minTime, wideOnly: true },
              { title: "To", width: "165px", cell: (s) => bound(s, s.maxTime), by: (s) => s.maxTime, wideOnly: true },
              {
                title: "Labels",
                width: "minmax(0, 1fr)",
                wideOnly: true,
                cell: (s) => <LabelSets sets={s.labelSets} />,
              },
              {
                title: "Asked",
                width: "90px",
                wideOnly: true,
                cell: (s) => (isNever(s.lastCheck) ? "never" : ago(Date.parse(s.lastCheck))),
              },
            ]}
          />
        </>
      ) : null}
    </>
  );
}

function LabelSets({ sets }: { sets: LabelSet[] | null }) {
  return (
    <>
      {(sets ?? []).map((set, i) => (
        <div key={i}>
          <Labels labels={set} />
        </div>
      ))}
    </>
  );
}
