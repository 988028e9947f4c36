// Rules and the alerts they made, by the peers' API: thousands are rows in view only, what fails or fires comes first.
import { useMemo } from "preact/hooks";
import { Empty, Filter, Labels, State } from "../../components/basics";
import { VirtualTable } from "../../components/virtual";
import { address } from "../../lib/base";
import { ago, duration, isNever, time } from "../../lib/format";
import { haystack, type LabelSet, matchesWords } from "../../lib/labels";
import { emptyPanel, writePanels } from "../../lib/panels";
import { useParameter } from "../../lib/parameter";
import { zone } from "../../lib/settings";
import { useAsk } from "../../lib/use";

interface Alert {
  labels: LabelSet;
  annotations: LabelSet;
  state: "firing" | "pending" | "inactive";
  activeAt?: string;
  value: string;
}

interface Rule {
  type: "alerting" | "recording";
  name: string;
  query: string;
  health: "ok" | "err" | "unknown";
  lastError?: string;
  /** Seconds. */
  evaluationTime: number;
  lastEvaluation: string;
  labels?: LabelSet;
  /** Of alerts only. Seconds. */
  duration?: number;
  keepFiringFor?: number;
  annotations?: LabelSet;
  alerts?: Alert[];
  state?: Alert["state"];
}

interface Group {
  name: string;
  file: string;
  /** Seconds. */
  interval: number;
  evaluationTime: number;
  rules: Rule[];
}

const STATES = { firing: "bad", pending: "warn", inactive: "good" } as const;

function graphLink(expr: string): string {
  return `${address("query")}?${writePanels([{ ...emptyPanel, expr, tab: "graph" }])}`;
}

export function Rules() {
  const [text, setText] = useParameter("filter");
  const [kind, setKind] = useParameter("kind");
  const asked = useAsk<{ groups: Group[] }>("rules", {}, "", 15_000);
  const all = useMemo(
    () =>
      (asked.answer?.data.groups ?? [])
        .flatMap((group) => group.rules.map((rule) => ({ group, rule, hay: haystack(rule.labels ?? {}, `${rule.name}\n${rule.query}\n${group.name}\n${group.file}\n${rule.lastError ?? ""}`) })))
        .sort((a, b) => rank(a.rule) - rank(b.rule)),
    [asked.answer],
  );
  const rows = useMemo(() => all.filter(({ rule, hay }) => fits(rule, kind) && matchesWords(hay, text)), [all, kind, text]);
  const kinds: [value: string, title: string][] = [["", "All"], ["failing", "Failing"], ["firing", "Firing"], ["alerting", "Alerts"], ["recording", "Records"]];
  return (
    <>
      <div class="row bar">
        <span class="joined">
          {kinds.map(([value, title]) => (
            <button type="button" key={value} aria-pressed={kind === value} onClick={() => setKind(value)}>
              {title} {all.filter(({ rule }) => fits(rule, value)).length}
            </button>
          ))}
        </span>
        <Filter value={text} onChange={setText} placeholder="Filter by name, expression, group or file" />
        <span class="muted">{rows.length} shown</span>
      </div>
      <State asked={asked} what="the rules" />
      {asked.answer && all.length === 0 ? <Empty>No rule is loaded. They are named with rule_files in the configuration.</Empty> : null}
      {rows.length > 0 ? (
        <VirtualTable
          label="Rules"
          rows={rows}
          rowHeight={52}
          rowKey={({ group, rule }) => `${group.file} ${group.name} ${rule.name} ${rule.query} ${JSON.stringify(rule.labels ?? {})}`}
          columns={[
            { title: "State", width: "84px", cell: ({ rule }) => <RuleState rule={rule} />, by: ({ rule }) => rank(rule) },
            {
              title: "Rule",
              width: "minmax(0, 1.6fr)",
              by: ({ rule }) => rule.name,
              cell: ({ rule }) => (
                <>
                  <span class="strong">{rule.name}</span> {rule.duration ? <span class="muted">for {duration(rule.duration * 1000)} </span> : null}
                  <Labels labels={rule.labels ?? {}} />
                  <div>
                    <a class="mono" href={graphLink(rule.query)}>
                      {rule.query}
                    </a>
                  </div>
                  {rule.lastError ? <div class="notice bad">{rule.lastError}</div> : null}
                </>
              ),
            },
            { title: "Group", width: "minmax(0, 0.5fr)", wideOnly: true, by: ({ group }) => group.name, cell: ({ group }) => <span title={group.file}>{group.name}</span> },
            { title: "Evaluated", width: "96px", wideOnly: true, cell: ({ rule }) => (isNever(rule.lastEvaluation) ? "never" : ago(Date.parse(rule.lastEvaluation))) },
            { title: "Took", width: "66px", number: true, cell: ({ rule }) => duration(rule.evaluationTime * 1000), by: ({ rule }) => rule.evaluationTime },
          ]}
        />
      ) : null}
    </>
  );
}

function rank(rule: Rule): number {
  if (rule.health === "err") return 0;
  return { firing: 1, pending: 2, inactive: 3 }[rule.state ?? "inactive"];
}

function fits(rule: Rule, kind: string): boolean {
  if (kind === "failing") return rule.health === "err";
  if (kind === "firing") return rule.state === "firing";
  return kind === "" || rule.type === kind;
}

function RuleState({ rule }: { rule: Rule }) {
  if (rule.health === "err") return <span class="badge bad">failing</span>;
  if (rule.type === "recording") return <span class="badge">{rule.health === "ok" ? "records" : "waiting"}</span>;
  const state = rule.state ?? "inactive";
  const count = rule.alerts?.length ?? 0;
  return (
    <span class={`badge ${STATES[state]}`}>
      {state}
      {count > 0 ? ` ${count}` : ""}
    </span>
  );
}

export function Alerts() {
  const [text, setText] = useParameter("filter");
  const [state, setState] = useParameter("state");
  const asked = useAsk<{ alerts: Alert[] }>("alerts", {}, "", 10_000);
  const all = useMemo(
    () =>
      (asked.answer?.data.alerts ?? [])
        .map((alert) => ({ alert, hay: haystack(alert.labels, haystack(alert.annotations)) }))
        .sort((a, b) => Number(b.alert.state === "firing") - Number(a.alert.state === "firing")),
    [asked.answer],
  );
  const rows = useMemo(() => all.filter(({ alert, hay }) => (state === "" || alert.state === state) && matchesWords(hay, text)).map(({ alert }) => alert), [all, state, text]);
  const utc = zone.value === "utc";
  return (
    <>
      <div class="row bar">
        <span class="joined">
          {(["", "firing", "pending"] as const).map((value) => (
            <button type="button" key={value} aria-pressed={state === value} onClick={() => setState(value)}>
              {value === "" ? "All" : value} {value === "" ? all.length : all.filter(({ alert }) => alert.state === value).length}
            </button>
          ))}
        </span>
        <Filter value={text} onChange={setText} placeholder="Filter by label or annotation" />
        <span class="muted">{rows.length} shown</span>
      </div>
      <State asked={asked} what="the alerts" />
      {asked.answer && all.length === 0 ? <Empty>No alert is pending or firing.</Empty> : null}
      {rows.length > 0 ? (
        <VirtualTable
          label="Alerts"
          rows={rows}
          rowHeight={52}
          rowKey={(alert) => JSON.stringify(alert.labels)}
          columns={[
            { title: "State", width: "76px", cell: (a) => <span class={`badge ${STATES[a.state]}`}>{a.state}</span>, by: (a) => a.state },
            {
              title: "Alert",
              width: "minmax(0, 1fr)",
              by: (a) => a.labels.alertname ?? "",
              cell: (a) => (
                <>
                  <span class="strong">{a.labels.alertname}</span> <Labels labels={a.labels} without={["alertname"]} />
                  {Object.entries(a.annotations).map(([name, value]) => (
                    <div key={name} class="muted">
                      {name}: {value}
                    </div>
                  ))}
                </>
              ),
            },
            {
              title: "Since",
              width: "100px",
              by: (a) => Date.parse(a.activeAt ?? ""),
              cell: (a) => (a.activeAt && !isNever(a.activeAt) ? <span title={time(Date.parse(a.activeAt), utc)}>{ago(Date.parse(a.activeAt))}</span> : ""),
            },
            { title: "Value", width: "90px", number: true, wideOnly: true, by: (a) => Number(a.value), cell: (a) => <span class="mono">{a.value}</span> },
          ]}
        />
      ) : null}
    </>
  );
}
