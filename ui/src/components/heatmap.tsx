// Histograms over time: a column a step, a row a bucket, colour for how many observations fell there.
import { useEffect, useRef } from "preact/hooks";
import { dark, heatColour, token } from "../lib/colour";
import { short, time } from "../lib/format";
import type { Heat } from "../lib/heat";
import { zone } from "../lib/settings";
import "./graph.css";

const HEIGHT = 380;
const LEFT = 62;
const BOTTOM = 26;

export function HeatMap({ heat, times }: { heat: Heat; times: number[] }) {
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
  for (let column = 0; column < heat.columns; column++) {
    for (let row = 0; row < rows; row++) {
      const count = heat.cells[column * rows + row] ?? 0;
      if (count <= 0) continue;
      // The root lifts what is rare: with plain proportion it would not be seen.
      context.fillStyle = heatColour(Math.sqrt(count / heat.most), isDark);
      context.fillRect(LEFT + column * cellWidth, height - (row + 1) * cellHeight, Math.ceil(cellWidth), Math.ceil(cellHeight));
    }
  }
  context.fillStyle = token("--text-2");
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "right";
  const every = Math.max(1, Math.ceil((rows + 1) / 12));
  for (let i = 0; i <= rows; i += every) context.fillText(short(heat.bounds[i] as number), LEFT - 6, Math.max(height - i * cellHeight + 4, 10));
  context.textAlign = "center";
  const marks = Math.max(2, Math.floor(width / 140));
  for (let i = 0; i < marks; i++) {
    const column = Math.round(((i + 0.5) / marks) * (times.length - 1));
    context.fillText(time((times[column] as number) * 1000, utc).slice(5, 16), LEFT + (column + 0.5) * cellWidth, HEIGHT - 8);
  }
}
