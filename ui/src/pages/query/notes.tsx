// What an answer says beside its data: errors, warnings, infos, progress and cost.
import { useEffect, useState } from "preact/hooks";
import { Notice } from "../../components/basics";
import { late } from "../../components/late";
import { address } from "../../lib/base";
import type { QueryData } from "../../lib/result";
import { duration, short } from "../../lib/format";
import { type Panel, writePanels } from "../../lib/panels";
import { errorPlace } from "../../lib/place";
import type { Asked } from "../../lib/use";

export function Notes({ asked, expr }: { asked: Asked<QueryData>; expr: string }) {
  const infos = asked.answer?.infos ?? [];
  return (
    <>
      <Progress asked={asked} />
      {asked.error ? (
        <Notice kind="bad">
          {asked.error.message}
          <Place message={asked.error.message} expr={expr} />
        </Notice>
      ) : null}
      {asked.answer?.warnings.map((text) => (
        <Notice kind="warn" key={text}>
          {text}
          <Place message={text} expr={expr} />
        </Notice>
      ))}
      {infos.length > 0 ? (
        <details class="notice">
          <summary>{infos.length === 1 ? "A remark on this query" : `${infos.length} remarks on this query`}</summary>
          {infos.map((text) => (
            <div key={text}>
              {text}
              <Place message={text} expr={expr} />
            </div>
          ))}
        </details>
      ) : null}
    </>
  );
}

/** Where a message has a position, the line of the expression with a mark below. */
function Place({ message, expr }: { message: string; expr: string }) {
  const place = errorPlace(message);
  const line = place && expr.split("\n")[place.line - 1];
  if (!place || line === undefined) return null;
  return <pre class="place">{`${line}\n${" ".repeat(Math.min(Math.max(place.column - 1, 0), line.length))}^`}</pre>;
}

function Progress({ asked }: { asked: Asked<QueryData> }) {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    setSeconds(0);
    if (!asked.loading) return;
    const timer = setInterval(() => setSeconds((s) => s + 1), 1000);
    return () => clearInterval(timer);
  }, [asked.loading]);
  return (
    <>
      <div class={`progress ${asked.loading ? "on" : ""}`} role="progressbar" aria-label="Query" aria-hidden={!asked.loading} />
      {asked.loading && seconds > 0 ? (
        <div class="row muted">
          running for {seconds} s
          <button type="button" class="quiet" onClick={asked.cancel}>
            Cancel
          </button>
        </div>
      ) : null}
    </>
  );
}

/** On the role `query`: whether stores are missing in the answer. */
export const Completeness = late("the stores", () => import("./stores").then((m) => m.Completeness));

/** Address of a page with this panel alone. */
export function panelLink(panel: Panel): string {
  return new URL(`${address("query")}?${writePanels([panel])}`, location.href).href;
}

/** "12 ms, of which 5 ms at the server; 1.2 k samples". */
export function cost(asked: Asked<QueryData>): string {
  if (asked.tookMs === undefined) return "";
  const stats = asked.answer?.data.stats;
  const server = stats?.timings?.execTotalTime;
  const samples = stats?.samples?.totalQueryableSamples;
  return (
    duration(Math.max(Math.round(asked.tookMs), 1)) +
    (server === undefined ? "" : ` (server ${duration(Number((server * 1000).toPrecision(2)))})`) +
    (samples === undefined ? "" : `, ${short(samples)} ${samples === 1 ? "sample" : "samples"} read`)
  );
}
