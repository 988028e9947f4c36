// Range, end, step and form of a panel. Typed values apply on Enter and on leaving the field.
import { useEffect, useId, useState } from "preact/hooks";
import { type Display, type Panel } from "../../lib/panels";
import { features } from "../../lib/role";
import { zone } from "../../lib/settings";
import { autoStep, formatDuration, parseDuration, parseTime, timeText } from "../../lib/time";

const RANGES = ["5m", "15m", "1h", "3h", "6h", "12h", "1d", "2d", "1w", "2w", "30d", "90d", "1y"];

interface Props {
  panel: Panel;
  onChange: (panel: Panel) => void;
}

export function TimeControls({ panel, onChange }: Props) {
  const graph = panel.tab === "graph" || (panel.tab === "explain" && panel.explainRange);
  const utc = zone.value === "utc";
  const range = formatDuration(panel.rangeMs);
  const move = (by: number) => {
    const end = parseTime(panel.end, Date.now(), utc) ?? Date.now();
    const next = end + by;
    onChange({ ...panel, end: next >= Date.now() - 1000 ? "" : timeText(next, utc) });
  };
  const presets = RANGES.includes(range) ? RANGES : [range, ...RANGES];
  return (
    <>
      {graph ? (
        <span class="group">
          <button type="button" aria-label="Shorter range" title="Shorter range" onClick={() => onChange({ ...panel, rangeMs: next(panel.rangeMs, -1) })}>
            −
          </button>
          <Field
            label="Range"
            value={range}
            size={5}
            list={presets}
            check={(text) => (parseDuration(text) ?? 0) > 0}
            apply={(text) => onChange({ ...panel, rangeMs: parseDuration(text) ?? panel.rangeMs })}
          />
          <button type="button" aria-label="Longer range" title="Longer range" onClick={() => onChange({ ...panel, rangeMs: next(panel.rangeMs, 1) })}>
            +
          </button>
        </span>
      ) : null}
      <span class="group">
        <button type="button" aria-label="Earlier" title="Earlier" onClick={() => move(graph ? -panel.rangeMs / 2 : -3_600_000)}>
          ‹
        </button>
        <Field
          label={graph ? "Until" : "At"}
          value={panel.end}
          placeholder="now"
          size={17}
          list={["now-5m", "now-1h", "now-6h", "now-1d", "now-1w"]}
          check={(text) => parseTime(text, Date.now(), utc) !== undefined}
          apply={(text) => onChange({ ...panel, end: text === "now" ? "" : text })}
        />
        <button type="button" aria-label="Later" title="Later" disabled={panel.end === ""} onClick={() => move(graph ? panel.rangeMs / 2 : 3_600_000)}>
          ›
        </button>
        {panel.end === "" ? null : (
          <button type="button" onClick={() => onChange({ ...panel, end: "" })}>
            Now
          </button>
        )}
      </span>
      {graph ? (
        <>
          <Field
            label="Step"
            value={panel.stepMs === undefined ? "" : formatDuration(panel.stepMs)}
            placeholder={`auto ${formatDuration(autoStep(panel.rangeMs))}`}
            size={8}
            list={["15s", "1m", "5m", "1h"]}
            check={(text) => text === "" || (parseDuration(text) ?? 0) > 0}
            apply={(text) => onChange({ ...panel, stepMs: text === "" ? undefined : parseDuration(text) })}
          />
        </>
      ) : null}
      {panel.tab === "graph" ? (
        <>
          <label class="field">
            <span class="sr-only">Form</span>
            <select value={panel.display} onChange={(e) => onChange({ ...panel, display: e.currentTarget.value as Display })}>
              <option value="lines">lines</option>
              <option value="stacked">stacked</option>
              <option value="heatmap">heat map</option>
            </select>
          </label>
          {panel.display === "lines" ? (
            <button type="button" aria-pressed={panel.fromZero} title="The value axis begins at zero" onClick={() => onChange({ ...panel, fromZero: !panel.fromZero })}>
              From 0
            </button>
          ) : null}
          {features.value.query_exemplars ? (
            <button type="button" aria-pressed={panel.exemplars} onClick={() => onChange({ ...panel, exemplars: !panel.exemplars })}>
              Exemplars
            </button>
          ) : null}
        </>
      ) : null}
    </>
  );
}

/** The next usual range in a direction. */
function next(rangeMs: number, by: 1 | -1): number {
  const all = RANGES.map((text) => parseDuration(text) as number);
  const found = by > 0 ? all.find((ms) => ms > rangeMs) : all.findLast((ms) => ms < rangeMs);
  return found ?? (by > 0 ? rangeMs * 2 : Math.max(Math.round(rangeMs / 2000) * 1000, 1000));
}

interface FieldProps {
  label: string;
  value: string;
  placeholder?: string;
  /** Characters that it holds in sight. */
  size: number;
  list: string[];
  check: (text: string) => boolean;
  apply: (text: string) => void;
}

function Field({ label, value, placeholder, size, list, check, apply }: FieldProps) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const wrong = !check(text);
  const commit = () => {
    if (!wrong && text.trim() !== value) apply(text.trim());
  };
  const id = useId();
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="text"
        class={size > 10 ? "wide" : size > 6 ? "middle" : ""}
        list={id}
        placeholder={placeholder}
        value={text}
        aria-invalid={wrong}
        onInput={(e) => setText(e.currentTarget.value)}
        onChange={commit}
        onKeyDown={(e) => {
          if (e.key === "Enter") commit();
          if (e.key === "Escape") setText(value);
        }}
      />
      <datalist id={id}>
        {list.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </label>
  );
}
