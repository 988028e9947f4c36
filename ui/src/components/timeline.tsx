// Spans of time as bars in named lanes: blocks of a database, what stores cover.
import { time } from "../lib/format";
import { zone } from "../lib/settings";

export interface Span {
  /** Both in ms since the epoch. */
  from: number;
  to: number;
  lane: string;
  text: string;
  kind: "block" | "head";
}

export function TimeLine({ spans, label }: { spans: readonly Span[]; label: string }) {
  const utc = zone.value === "utc";
  const from = Math.min(...spans.map((span) => span.from));
  const to = Math.max(...spans.map((span) => span.to));
  const lanes = [...new Set(spans.map((span) => span.lane))];
  const percent = (ms: number) => ((ms - from) / Math.max(to - from, 1)) * 100;
  return (
    <div class="timeline" role="img" aria-label={label}>
      {lanes.map((lane) => (
        <div class="lane" key={lane}>
          <span class="muted name">{lane}</span>
          <span class="bars">
            {spans
              .filter((span) => span.lane === lane)
              .map((span) => (
                <i key={`${span.from} ${span.text}`} class={span.kind} title={span.text} style={{ left: `${percent(span.from)}%`, width: `max(${percent(span.to) - percent(span.from)}% - 1px, 2px)` }} />
              ))}
          </span>
        </div>
      ))}
      <div class="lane muted">
        <span class="name" />
        <span class="ends">
          <span>{time(from, utc)}</span>
          <span>{time(to, utc)}</span>
        </span>
      </div>
    </div>
  );
}
