// The routing tree: who is told of what, how it is grouped and paced, what it carries now; and which way an alert would take.
import { useMemo, useState } from "preact/hooks";
import { Empty, State } from "../../components/basics";
import { duration } from "../../lib/format";
import { type Route, useV2 } from "./api";
import { matcherText, parseMatchers } from "./matchers";
import { link, usePlace } from "./place";

const EVERY_MS = 15_000;

export function RoutesPage() {
  const [place, change] = usePlace();
  const given = place.get("labels") ?? "";
  const [typed, setTyped] = useState(given);
  const parsed = useMemo(() => parseMatchers(plain(given)), [given]);
  const labels = (parsed.matchers ?? []).map(matcherText);
  const asked = useV2<{ routes: Route[] }>("routes", { label: labels }, given, EVERY_MS);
  const routes = asked.answer?.data.routes ?? [];
  const taken = [...new Set(routes.filter(({ takes }) => takes).map(({ receiver }) => receiver))];
  return (
    <>
      <form
        class="row bar"
        onSubmit={(e) => {
          e.preventDefault();
          change({ labels: typed.trim() });
        }}
      >
        <label class="field try">
          Try an alert
          <input type="search" class="mono" placeholder='alertname="DiskFull", severity="critical"' spellcheck={false} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />
        </label>
        <button type="submit">Show its way</button>
        {parsed.problem ? (
          <span class="refused" role="alert">
            {parsed.problem}
          </span>
        ) : labels.length > 0 && asked.answer ? (
          <span role="status">
            told to <b>{taken.join(", ")}</b>
          </span>
        ) : null}
      </form>
      <State asked={asked} what="the routes" />
      {asked.answer && routes.length === 0 ? <Empty>No configuration is in force.</Empty> : null}
      <ol class="routes">
        {routes.map((route, i) => (
          <li key={route.id} class={`route ${route.takes ? "takes" : ""}`} style={{ marginLeft: `${Math.min(route.depth, 12) * 26}px` }}>
            <div class="row">
              {route.depth > 0 ? (
                <span class="elbow" aria-hidden="true">
                  └
                </span>
              ) : null}
              <a class="strong" href={link("alerts", { receiver: route.receiver })}>
                {route.receiver}
              </a>
              {i === 0 ? <span class="muted">all that no other route takes</span> : null}
              {route.matchers.map((text) => (
                <span class="label" key={text}>
                  {text}
                </span>
              ))}
              {i > 0 && route.matchers.length === 0 ? <span class="muted">takes everything</span> : null}
              {route.continue ? <span class="badge">goes on to the next</span> : null}
              {route.takes ? <span class="badge good">takes it</span> : null}
              <span class="muted end">
                {route.alerts > 0 ? `${route.alerts} ${route.alerts === 1 ? "alert" : "alerts"} in ${route.groups} ${route.groups === 1 ? "group" : "groups"}` : "nothing at present"}
              </span>
            </div>
            <div class="muted pace">
              {route.groupByAll ? "each alert alone" : route.groupBy.length > 0 ? `grouped by ${route.groupBy.join(", ")}` : "all in one group"}; speaks {route.groupWaitMs === 0 ? "at once" : `after ${duration(route.groupWaitMs)}`}, of changes every {duration(route.groupIntervalMs)}, again every {duration(route.repeatIntervalMs)}
              {route.muteTimeIntervals.length > 0 ? `; mute in ${route.muteTimeIntervals.join(", ")}` : ""}
              {route.activeTimeIntervals.length > 0 ? `; active only in ${route.activeTimeIntervals.join(", ")}` : ""}
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}

/** `{a="b"}`, and `name{a="b"}` as series are written: then the name is that of an alert. */
function plain(text: string): string {
  const series = /^([a-zA-Z_:][\w:]*)\{([\s\S]*)\}$/.exec(text.trim());
  return series ? `alertname=${JSON.stringify(series[1])}${series[2] ? `, ${series[2]}` : ""}` : text;
}
