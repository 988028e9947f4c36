// Lines over time, drawn by uPlot; the legend is ours, so that hundreds of series stay usable.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { short } from "../lib/format";
import { zone } from "../lib/settings";
import { type LabelSet, seriesText } from "./basics";
import "./graph.css";

export interface Line {
  labels: LabelSet;
  /** One value a time of `times`; null where there is none. */
  values: (number | null)[];
}

export function colour(index: number): string {
  // Golden angle: neighbours differ, and the sequence never ends.
  return `hsl(${(index * 137.508 + 212) % 360} 62% var(--line-light, 48%))`;
}

interface Props {
  times: number[];
  lines: Line[];
  stacked: boolean;
  onZoom: (fromMs: number, toMs: number) => void;
}

export function Graph({ times, lines, stacked, onZoom }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [at, setAt] = useState<number | null>(null);

  useEffect(() => setHidden(new Set()), [lines]);

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--text-2");
    const lineInk = style.getPropertyValue("--line");
    const axis = { stroke: resolve(ink), grid: { stroke: resolve(lineInk), width: 1 }, ticks: { stroke: resolve(lineInk), width: 1 } };
    const shown = lines.map((_, i) => !hidden.has(i));
    const data = stacked ? stack(lines, shown, times.length) : lines.map((l) => l.values);
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: 360,
        legend: { show: false },
        scales: { x: { time: true } },
        tzDate: (ts) => (zone.value === "utc" ? uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC") : new Date(ts * 1e3)),
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
        axes: [axis, { ...axis, size: 70, values: (_, ticks) => ticks.map((v) => short(v)) }],
        series: [
          {},
          ...lines.map((line, i) => ({
            label: seriesText(line.labels),
            stroke: resolve(colour(i)),
            fill: stacked ? resolve(colour(i)).replace(")", " / 0.25)") : undefined,
            width: 1.5,
            show: shown[i],
            spanGaps: false,
            points: { show: times.length < 2 },
          })),
        ],
        hooks: {
          setCursor: [(u) => setAt(u.cursor.idx ?? null)],
          setSelect: [
            (u) => {
              if (u.select.width < 4) return;
              onZoom(u.posToVal(u.select.left, "x") * 1000, u.posToVal(u.select.left + u.select.width, "x") * 1000);
            },
          ],
        },
      },
      [times, ...data] as uPlot.AlignedData,
      element,
    );
    plot.current = chart;
    const watch = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: 360 }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      chart.destroy();
    };
  }, [times, lines, stacked, hidden, zone.value]);

  return (
    <div>
      <div ref={holder} class="graph" role="img" aria-label={`Graph of ${lines.length} series`} />
      <Legend lines={lines} hidden={hidden} setHidden={setHidden} at={at} />
    </div>
  );
}

interface LegendProps {
  lines: Line[];
  hidden: ReadonlySet<number>;
  setHidden: (hidden: ReadonlySet<number>) => void;
  at: number | null;
}

/** Click toggles a series, Shift or Ctrl click shows it alone, and once more shows all again. */
function Legend({ lines, hidden, setHidden, at }: LegendProps) {
  const [byValue, setByValue] = useState(false);
  const [all, setAll] = useState(false);
  const value = (line: Line) => {
    if (at !== null) return line.values[at] ?? null;
    for (let i = line.values.length - 1; i >= 0; i--) {
      const v = line.values[i];
      if (v !== null && v !== undefined) return v;
    }
    return null;
  };
  const order = lines.map((_, i) => i);
  if (byValue) order.sort((a, b) => (value(lines[b] as Line) ?? -Infinity) - (value(lines[a] as Line) ?? -Infinity));
  const shown = all ? order : order.slice(0, 40);
  const click = (index: number, alone: boolean) => {
    if (alone) {
      const onlyThis = hidden.size === lines.length - 1 && !hidden.has(index);
      setHidden(onlyThis ? new Set() : new Set(lines.map((_, i) => i).filter((i) => i !== index)));
      return;
    }
    const next = new Set(hidden);
    if (!next.delete(index)) next.add(index);
    setHidden(next);
  };
  return (
    <div class="legend">
      <div class="row no-print">
        <button type="button" aria-pressed={byValue} onClick={() => setByValue(!byValue)}>
          Sort by value
        </button>
        {hidden.size > 0 ? (
          <button type="button" onClick={() => setHidden(new Set())}>
            Show all
          </button>
        ) : null}
        <span class="muted">{lines.length} series; click to hide, Shift-click to see one alone</span>
      </div>
      {shown.map((i) => {
        const line = lines[i] as Line;
        const v = value(line);
        return (
          <button
            type="button"
            key={i}
            class="entry"
            aria-pressed={!hidden.has(i)}
            onClick={(e) => click(i, e.shiftKey || e.ctrlKey || e.metaKey)}
          >
            <i style={{ background: hidden.has(i) ? "transparent" : colour(i), borderColor: colour(i) }} />
            <span class="mono">{seriesText(line.labels)}</span>
            <b>{v === null ? "" : short(v)}</b>
          </button>
        );
      })}
      {order.length > shown.length ? (
        <button type="button" onClick={() => setAll(true)}>
          {order.length - shown.length} more
        </button>
      ) : null}
    </div>
  );
}

/** Each shown line on top of the shown ones before it. Stacking is of what is there: a missing value adds nothing. */
function stack(lines: Line[], shown: boolean[], length: number): (number | null)[][] {
  const sum = new Array<number>(length).fill(0);
  return lines.map((line, l) =>
    line.values.map((v, i) => {
      if (v === null || !shown[l]) return null;
      sum[i] = (sum[i] ?? 0) + v;
      return sum[i] as number;
    }),
  );
}

/** Canvas knows no CSS variables: lets the browser compute the colour. */
function resolve(value: string): string {
  const probe = document.createElement("span");
  probe.style.color = value;
  document.body.append(probe);
  const out = getComputedStyle(probe).color;
  probe.remove();
  return out;
}
