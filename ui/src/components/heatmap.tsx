// Histograms over time: a column a step, a row a bucket, colour for how many observations fell there.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { dark, heatColour, token } from "../lib/colour";
import { short, time } from "../lib/format";
import { type Heat, toHeat } from "../lib/heat";
import type { QueryData } from "../lib/result";
import { zone } from "../lib/settings";
import { Notice } from "./basics";
import "./graph.css";

const HEIGHT = 380;
const LEFT = 62;
const BOTTOM = 40;

interface Props {
  data: QueryData;
  /** Start, end and step of the answer, ms. */
  grid: readonly [number, number, number];
  times: number[];
  /** Shown where there are no histograms. */
  otherwise: ComponentChildren;
}

export function HeatMap({ data, grid, times, otherwise }: Props) {
  const heat = useMemo(() => toHeat(data, ...grid), [data]);
  if (heat) return <Map heat={heat} times={times} />;
  return (
    <>
      <Notice kind="info">A heat map needs histograms: native ones, or series with the label le. Here are lines.</Notice>
      {otherwise}
    </>
  );
}

function Map({ heat, times }: { heat: Heat; times: number[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const isDark = dark.value;
  const utc = zone.value === "utc";
  const rows = heat.bounds.length - 1;
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () => paint(element, heat, times, isDark, utc);
    draw();
    const watch = new ResizeObserver(draw);
    watch.observe(element);
    return () => watch.disconnect();
  }, [heat, times, isDark, utc]);
  const onMove = (event: PointerEvent) => {
    const box = tip.current;
    const element = canvas.current;
    if (!box || !element) return;
    const column = Math.floor(((event.offsetX - LEFT) / (element.clientWidth - LEFT)) * heat.columns);
    const row = Math.floor((1 - event.offsetY / (HEIGHT - BOTTOM)) * rows);
    box.hidden = column < 0 || column >= heat.columns || row < 0 || row >= rows;
    if (box.hidden) return;
    const count = heat.cells[column * rows + row] ?? 0;
    box.textContent = `${time((times[column] as number) * 1000, utc)}: ${short(count)} between ${short(heat.bounds[row] as number)} and ${short(heat.bounds[row + 1] as number)}`;
    box.style.left = `${Math.min(event.offsetX + 14, element.clientWidth - box.offsetWidth)}px`;
    box.style.top = `${Math.max(event.offsetY - 40, 0)}px`;
  };
  return (
    <div class="heat">
      <canvas
        ref={canvas}
        role="img"
        aria-label={`Heat map of ${rows} buckets over ${heat.columns} steps`}
        onPointerMove={onMove}
        onPointerLeave={() => {
          if (tip.current) tip.current.hidden = true;
        }}
      />
      <div class="tip" ref={tip} hidden />
      <div class="scale muted" aria-hidden="true">
        {short(0)}
        {[0.05, 0.2, 0.4, 0.6, 0.8, 1].map((at) => (
          <i key={at} style={{ background: heatColour(at, isDark) }} />
        ))}
        {short(heat.most)} observations in a cell
      </div>
    </div>
  );
}

function paint(element: HTMLCanvasElement, heat: Heat, times: number[], isDark: boolean, utc: boolean) {
  const scale = devicePixelRatio;
  element.width = element.clientWidth * scale;
  element.height = HEIGHT * scale;
  const context = element.getContext("2d");
  if (!context) return;
  context.scale(scale, scale);
  const width = element.clientWidth - LEFT;
  const height = HEIGHT - BOTTOM;
  const rows = heat.bounds.length - 1;
  const cellWidth = width / heat.columns;
  const cellHeight = height / rows;
  // On whole pixels of the device: neighbours that share one would show as stripes.
  const edge = (column: number) => Math.round((LEFT + column * cellWidth) * scale) / scale;
  for (let column = 0; column < heat.columns; column++) {
    const [left, right] = [edge(column), edge(column + 1)];
    for (let row = 0; row < rows; row++) {
      const count = heat.cells[column * rows + row] ?? 0;
      if (count <= 0) continue;
      // The root lifts what is rare: with plain proportion it would not be seen.
      context.fillStyle = heatColour(Math.sqrt(count / heat.most), isDark);
      context.fillRect(left, height - (row + 1) * cellHeight, right - left, Math.ceil(cellHeight));
    }
  }
  context.fillStyle = token("--text-2");
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "right";
  const every = Math.max(1, Math.ceil((rows + 1) / 12));
  for (let i = 0; i <= rows; i += every) context.fillText(short(heat.bounds[i] as number), LEFT - 6, Math.max(height - i * cellHeight + 4, 10));
  context.textAlign = "center";
  const [first, last] = [times[0] as number, times.at(-1) as number];
  let day = "";
  for (const t of wholeTimes(first, last, Math.max(2, Math.floor(width / 90)), utc)) {
    const x = LEFT + ((t - first) / Math.max(last - first, 1)) * (width - cellWidth) + cellWidth / 2;
    const [date = "", clock = ""] = time(t * 1000, utc).replace("Z", "").split(" ");
    context.fillText(last - first < 600 ? clock : clock.slice(0, 5), x, height + 16);
    if (date !== day) context.fillText(date, Math.max(x, LEFT + 36), height + 31);
    day = date;
  }
}

const SPACINGS = [1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/** At most `most` whole times between two, seconds since the epoch, whole by the clock of the zone. */
function wholeTimes(first: number, last: number, most: number, utc: boolean): number[] {
  const days = Math.ceil((last - first) / 86_400 / most);
  const spacing = SPACINGS.find((seconds) => (last - first) / seconds <= most) ?? days * 86_400;
  const shift = utc ? 0 : new Date(first * 1000).getTimezoneOffset() * 60;
  const out: number[] = [];
  for (let t = Math.ceil((first - shift) / spacing) * spacing + shift; t <= last; t += spacing) out.push(t);
  return out;
}
