// A target's last hour: whether it was up, how long its scrapes took. Asked only when the row is opened.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Sparkline } from "../../components/sparkline";
import { duration } from "../../lib/format";
import { type QueryData, type Series, toLines } from "../../lib/result";
import { useAsk } from "../../lib/use";

const HOUR_MS = 3_600_000;
const STEP_MS = 60_000;

export function History({ selector }: { selector: string }) {
  const place = useRef<HTMLSpanElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const details = place.current?.closest("details");
    const onToggle = () => setOpen(details?.open ?? false);
    onToggle();
    details?.addEventListener("toggle", onToggle);
    return () => details?.removeEventListener("toggle", onToggle);
  }, []);
  const end = useMemo(() => Math.floor(Date.now() / STEP_MS) * STEP_MS, [open]);
  const start = end - HOUR_MS;
  const query = `{__name__=~"up|scrape_duration_seconds", ${selector.slice(1)}`;
  const asked = useAsk<QueryData>(open ? "query_range" : undefined, { query, start: start / 1000, end: end / 1000, step: STEP_MS / 1000 }, `${query}|${open}`);
  const drawn = asked.answer ? toLines(asked.answer.data, start, end, STEP_MS) : undefined;
  const of = (name: string) => drawn?.lines[(asked.answer?.data.result as Series[]).findIndex((s) => s.metric.__name__ === name)]?.values;
  const took = of("scrape_duration_seconds");
  const known = (of("up") ?? []).filter((v): v is number => v !== null);
  const longest = Math.max(0, ...(took ?? []).map((v) => v ?? 0));
  return (
    <span class="row" ref={place}>
      {asked.error ? asked.error.message : null}
      {drawn && known.length === 0 ? <span class="muted">no samples</span> : null}
      {known.length > 0 ? <span>up {Number(((known.filter((v) => v === 1).length / known.length) * 100).toPrecision(3))}% of the time</span> : null}
      {took ? (
        <>
          <Sparkline values={took} label="Scrape duration of the last hour" />
          <span class="muted">scrape duration, longest {duration(longest * 1000)}</span>
        </>
      ) : null}
    </span>
  );
}
