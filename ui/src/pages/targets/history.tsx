// A target's course: from the database the last hour, from memory the last scrapes with their lateness. Asked only when the row is
// opened, and while it is.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Sparkline } from "../../components/sparkline";
import { duration, short } from "../../lib/format";
import { type QueryData, type Series, toLines } from "../../lib/result";
import { useAsk } from "../../lib/use";

const HOUR_MS = 3_600_000;
const STEP_MS = 60_000;
const AGAIN_MS = 10_000;

interface Recent {
  activeTargets: {
    /** Microseconds that it took, microseconds that it began late, samples; oldest first. */
    recentScrapes?: [number, number, number][];
  }[];
}

interface Props {
  target: { scrapePool: string; scrapeUrl: string };
  selector: string;
}

export function History({ target, selector }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const details = place.current?.closest("details");
    const onToggle = () => setOpen(details?.open ?? false);
    onToggle();
    details?.addEventListener("toggle", onToggle);
    return () => details?.removeEventListener("toggle", onToggle);
  }, []);
  return <div ref={place}>{open ? <Course target={target} selector={selector} /> : null}</div>;
}

function Course({ target, selector }: Props) {
  const end = useMemo(() => Math.floor(Date.now() / STEP_MS) * STEP_MS, []);
  const start = end - HOUR_MS;
  const query = `{__name__=~"up|scrape_duration_seconds|scrape_samples_scraped", ${selector.slice(1)}`;
  const hour = useAsk<QueryData>("query_range", { query, start: start / 1000, end: end / 1000, step: STEP_MS / 1000 }, query);
  const drawn = hour.answer ? toLines(hour.answer.data, start, end, STEP_MS) : undefined;
  const of = (name: string) => drawn?.lines[(hour.answer?.data.result as Series[]).findIndex((s) => s.metric.__name__ === name)]?.values;
  const known = (of("up") ?? []).filter((v): v is number => v !== null);
  const recent = useAsk<Recent>("targets", { state: "active", scrapePool: target.scrapePool, scrapeUrl: target.scrapeUrl, recent: true }, target.scrapeUrl, AGAIN_MS);
  const scrapes = recent.answer?.data.activeTargets[0]?.recentScrapes ?? [];
  const seconds = (value: number) => duration(Number((value * 1000).toPrecision(3)));
  return (
    <table class="course">
      <tbody>
        {known.length > 0 ? (
          <tr>
            <th scope="row">Last hour</th>
            <Cell name="duration" values={of("scrape_duration_seconds")} show={seconds} />
            <Cell name="samples" values={of("scrape_samples_scraped")} show={short} />
            <td>up {Number(((known.filter((v) => v === 1).length / known.length) * 100).toPrecision(3))}% of the time</td>
          </tr>
        ) : null}
        {scrapes.length > 0 ? (
          <tr>
            <th scope="row">{scrapes.length === 1 ? "Last scrape" : `Last ${scrapes.length} scrapes`}</th>
            <Cell name="duration" values={scrapes.map(([took]) => took / 1e6)} show={seconds} />
            <Cell name="samples" values={scrapes.map(([, , samples]) => samples)} show={short} />
            <Cell name="begun late" values={scrapes.map(([, late]) => late / 1e6)} show={seconds} />
          </tr>
        ) : null}
        {recent.answer && scrapes.length === 0 ? (
          <tr>
            <td class="muted">no scrape yet</td>
          </tr>
        ) : null}
      </tbody>
    </table>
  );
}

/** A small curve with its name and its largest value. */
function Cell({ name, values = [], show }: { name: string; values?: (number | null)[]; show: (value: number) => string }) {
  const most = Math.max(0, ...values.map((v) => v ?? 0));
  return (
    <td>
      <span class="measure">
        <Sparkline values={values} label={name} width={90} height={30} />
        <span>
          <span class="muted">{name}</span>
          <br />
          up to {show(most)}
        </span>
      </span>
    </td>
  );
}
