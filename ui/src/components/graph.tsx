// Lines over time, drawn by uPlot; legend and tooltip are ours, so that hundreds of series stay usable.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { dark, lineColour, token } from "../lib/colour";
import { layers } from "../lib/layers";
import { short, time } from "../lib/format";
import { commonLabels, type LabelSet, seriesText } from "../lib/labels";
import type { Line } from "../lib/result";
import { zone } from "../lib/settings";
import { Legend } from "./legend";
import "./graph.css";

const HEIGHT = 380;
/** Distance in px within which the tooltip takes a line. */
const NEAR = 40;

export interface Exemplar {
  labels: LabelSet;
  series: LabelSet;
  /** Seconds since the epoch. */
  time: number;
  value: number;
}

interface Props {
  times: number[];
  lines: Line[];
  stacked: boolean;
  /** Whether the value axis begins at zero. */
  fromZero: boolean;
  exemplars: Exemplar[];
  onZoom: (fromMs: number, toMs: number) => void;
}

export function Graph({ times, lines, stacked, fromZero, exemplars, onZoom }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const redraw = useRef<() => void>();
  const raise = useRef<(index: number) => void>();
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [at, setAt] = useState<number | null>(null);
  const latest = useRef({ hidden, onZoom });
  latest.current = { hidden, onZoom };
  const isDark = dark.value;
  const utc = zone.value === "utc";

  // What was hidden stays hidden while the same series come again.
  const identity = useMemo(() => lines.map((line) => seriesText(line.labels)).join("\n"), [lines]);
  useLayoutEffect(() => setHidden((before) => (before.size === 0 ? before : new Set())), [identity]);

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const started = performance.now();
    const ink = token("--text-2");
    const rule = token("--line");
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1, size: 5 }, font: "12px system-ui, sans-serif" };
    const isHidden = latest.current.hidden;
    const common = commonLabels(lines.map((line) => line.labels));
    const overlay = document.createElement("canvas");
    overlay.className = "raised";
    let raised = -1;
    let drawnData = layers(lines, isHidden, stacked);
    let frame = 0;
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        pxAlign: lines.length < 100,
        legend: { show: false },
        scales: { x: { time: true }, y: { range: (_, low, high) => valueRange(low, high, fromZero || stacked) } },
        tzDate: (ts) => (utc ? uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC") : new Date(ts * 1e3)),
        cursor: { drag: { x: true, y: false, setScale: false }, points: { show: lines.length <= 50, size: 6 }, y: false },
        axes: [{ ...axis, values: xTicks(utc) }, { ...axis, size: 62, values: (_, ticks) => ticks.map((v) => short(v)) }],
        series: [
          {},
          ...lines.map((_, i) => ({
            stroke: lineColour(i, isDark),
            fill: stacked ? lineColour(i, isDark, 0.35) : undefined,
            // One device pixel where there are many: thicker strokes are many times dearer to rasterise without a GPU.
            width: lines.length > 60 ? 1 / devicePixelRatio : 1.5,
            show: !isHidden.has(i),
            spanGaps: false,
            points: { show: times.length < 2 ? true : alonePoints, size: 5, fill: lineColour(i, isDark) },
          })),
        ],
        bands: stacked ? bands(lines.length, isHidden) : [],
        hooks: {
          draw: [(u) => drawExemplars(u, exemplars, ink)],
          setCursor: [
            (u) => {
              cancelAnimationFrame(frame);
              frame = requestAnimationFrame(() => {
                setAt(u.cursor.idx ?? null);
                raise.current?.(showTip(u, tip.current, { times, lines, drawn: drawnData, hidden: latest.current.hidden, exemplars, common, isDark, utc }));
              });
            },
          ],
          setSelect: [
            (u) => {
              if (u.select.width < 4) return;
              const from = u.posToVal(u.select.left, "x");
              const to = u.posToVal(u.select.left + u.select.width, "x");
              u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
              latest.current.onZoom(from * 1000, to * 1000);
            },
          ],
        },
      },
      [times, ...drawnData] as uPlot.AlignedData,
      element,
    );
    plot.current = chart;
    chart.over.append(overlay);
    raise.current = (index) => {
      if (index === raised) return;
      raised = index;
      drawRaised(chart, overlay, times, latest.current.hidden.has(index) ? undefined : drawnData[index], lineColour(index, isDark));
    };
    redraw.current = () => {
      drawnData = layers(lines, latest.current.hidden, stacked);
      chart.batch(() => {
        if (stacked) {
          chart.setData([times, ...drawnData] as uPlot.AlignedData, false);
          chart.delBand(null);
          for (const band of bands(lines.length, latest.current.hidden)) chart.addBand(band);
        }
        for (let i = 0; i < lines.length; i++) {
          const show = !latest.current.hidden.has(i);
          if (chart.series[i + 1]?.show !== show) chart.setSeries(i + 1, { show }, false);
        }
      });
    };
    const watch = new ResizeObserver(() => {
      if (element.clientWidth !== chart.width) chart.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    watch.observe(element);
    // Read by the browser tests: how long building and the first drawing took, and when it was done.
    requestAnimationFrame(() => {
      element.setAttribute("data-drawn-ms", (performance.now() - started).toFixed(0));
      element.setAttribute("data-drawn-at", performance.now().toFixed(0));
    });
    return () => {
      cancelAnimationFrame(frame);
      redraw.current = undefined;
      raise.current = undefined;
      watch.disconnect();
      chart.destroy();
      plot.current = undefined;
    };
  }, [times, lines, stacked, fromZero, exemplars, isDark, utc]);

  useEffect(() => redraw.current?.(), [hidden]);

  const onKey = (event: KeyboardEvent) => {
    const chart = plot.current;
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (!chart || step === 0) return;
    event.preventDefault();
    const index = Math.min(Math.max((chart.cursor.idx ?? (step > 0 ? -1 : times.length)) + step * (event.shiftKey ? 10 : 1), 0), times.length - 1);
    const values = lines.find((_, i) => !hidden.has(i))?.values;
    chart.setCursor({ left: chart.valToPos(times[index] as number, "x"), top: chart.valToPos(values?.[index] ?? 0, "y") });
  };

  return (
    <div>
      <div class="graph" ref={holder} role="img" aria-label={`Graph of ${lines.length} series. Arrow keys move the cursor.`} tabIndex={0} onKeyDown={onKey}>
        <div class="tip" ref={tip} hidden />
      </div>
      <Legend lines={lines} hidden={hidden} setHidden={setHidden} at={at} isDark={isDark} onPoint={(index) => raise.current?.(index)} />
    </div>
  );
}

/** Areas of a stack: each shown line is filled down to the shown one below it. */
function bands(count: number, hidden: ReadonlySet<number>): uPlot.Band[] {
  const shown = Array.from({ length: count }, (_, i) => i).filter((i) => !hidden.has(i));
  return shown.slice(1).map((upper, i) => ({ series: [upper + 1, (shown[i] as number) + 1] }));
}

/** The value axis: a little room around the values, whole where all are the same. */
function valueRange(low: number | null, high: number | null, fromZero: boolean): [number, number] {
  if (low === null || high === null) return [0, 1];
  const [from, to] = fromZero ? [Math.min(low, 0), Math.max(high, 0)] : [low, high];
  if (from === to) return from === 0 ? [-1, 1] : [Math.min(0, from * 2), Math.max(0, from * 2)];
  const room = (to - from) * 0.05;
  return [fromZero && from === 0 ? 0 : from - room, fromZero && to === 0 ? 0 : to + room];
}

/** Points only where a value has no neighbour, which no line would show. */
function alonePoints(u: uPlot, index: number): boolean {
  const values = u.data[index] as (number | null)[];
  let lines = 0;
  for (let i = 1; i < values.length && lines === 0; i++) if (values[i] != null && values[i - 1] != null) lines++;
  return lines === 0;
}

function xTicks(utc: boolean): uPlot.Axis.DynamicValues {
  return (_, ticks, __, ___, stepS) => {
    let day = "";
    return ticks.map((t) => {
      const text = time(t * 1000, utc).replace("Z", "");
      const [date = "", clock = ""] = text.split(" ");
      const hour = stepS < 60 ? clock : clock.slice(0, 5);
      if (stepS >= 86_400) return date;
      if (date === day) return hour;
      day = date;
      return `${hour}\n${date}`;
    });
  };
}

/** Where an exemplar sits in the plot, CSS px. Beyond the values in sight it is at the edge. */
function exemplarPlace(u: uPlot, one: Exemplar): [x: number, y: number] {
  return [u.valToPos(one.time, "x"), Math.min(Math.max(u.valToPos(one.value, "y"), 5), u.bbox.height / devicePixelRatio - 5)];
}

function drawExemplars(u: uPlot, exemplars: readonly Exemplar[], ink: string) {
  const { ctx } = u;
  ctx.save();
  ctx.fillStyle = ink;
  for (const one of exemplars) {
    const [x, y] = exemplarPlace(u, one);
    ctx.translate(x * devicePixelRatio + u.bbox.left, y * devicePixelRatio + u.bbox.top);
    ctx.rotate(Math.PI / 4);
    ctx.fillRect(-4, -4, 8, 8);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
  }
  ctx.restore();
}

interface Tip {
  times: number[];
  lines: Line[];
  drawn: (number | null)[][];
  hidden: ReadonlySet<number>;
  exemplars: readonly Exemplar[];
  common: LabelSet;
  isDark: boolean;
  utc: boolean;
}

/** Draws one line, thicker, over all others; none where there are no values. */
function drawRaised(u: uPlot, canvas: HTMLCanvasElement, times: readonly number[], values: readonly (number | null)[] | undefined, colour: string) {
  // Setting the size also wipes it.
  canvas.width = u.over.clientWidth * devicePixelRatio;
  canvas.height = u.over.clientHeight * devicePixelRatio;
  const context = canvas.getContext("2d");
  if (!context || !values) return;
  context.scale(devicePixelRatio, devicePixelRatio);
  context.beginPath();
  let pen = false;
  values.forEach((v, i) => {
    if (v === null) {
      pen = false;
      return;
    }
    const [x, y] = [u.valToPos(times[i] as number, "x"), u.valToPos(v, "y")];
    if (pen) context.lineTo(x, y);
    else context.moveTo(x, y);
    pen = true;
  });
  context.lineJoin = "bevel";
  context.lineWidth = 3;
  context.strokeStyle = colour;
  context.stroke();
}

/** Fills the tooltip with the line or exemplar nearest to the cursor, with all its labels, and gives the line's index (-1 for
 * none). Written to the document directly: it follows the pointer. */
function showTip(u: uPlot, element: HTMLDivElement | null, given: Tip): number {
  if (!element) return -1;
  const { left = -1, top = -1, idx } = u.cursor;
  element.hidden = true;
  if (left < 0 || idx == null) return -1;
  let best = NEAR;
  let nearest = -1;
  given.drawn.forEach((values, i) => {
    const v = values[idx];
    if (v == null || given.lines[i]?.values[idx] == null || given.hidden.has(i)) return;
    const away = Math.abs(u.valToPos(v, "y") - top);
    if (away < best) {
      best = away;
      nearest = i;
    }
  });
  const spark = given.exemplars.find((one) => {
    const [x, y] = exemplarPlace(u, one);
    return Math.hypot(x - left, y - top) < 8;
  });
  const line = given.lines[nearest];
  if (!spark && !line) return -1;
  const parts: Node[] = [];
  const add = (text: string, kind: string) => {
    const node = document.createElement("div");
    node.className = kind;
    node.textContent = text;
    parts.push(node);
    return node;
  };
  add(time((spark ? spark.time : (given.times[idx] as number)) * 1000, given.utc), "muted");
  if (spark) {
    add(`exemplar ${spark.value}`, "strong");
    for (const [name, value] of Object.entries(spark.labels)) add(`${name}="${value}"`, "mono");
  } else if (line) {
    const value = line.values[idx];
    const head = add(value == null ? "" : String(value), "strong");
    const swatch = document.createElement("i");
    swatch.style.background = lineColour(nearest, given.isDark);
    head.prepend(swatch);
    const { __name__: name, ...rest } = line.labels;
    if (name) add(name, "mono");
    // What tells this line from the others comes first.
    const own = Object.entries(rest).sort(([a], [b]) => Number(a in given.common) - Number(b in given.common));
    for (const [label, text] of own) add(`${label}="${text}"`, label in given.common ? "mono muted" : "mono");
  }
  element.replaceChildren(...parts);
  element.hidden = false;
  const room = u.root.clientWidth;
  const x = u.bbox.left / devicePixelRatio + left;
  const width = element.offsetWidth;
  element.style.left = `${x + 16 + width > room ? Math.max(x - width - 16, 0) : x + 16}px`;
  element.style.top = `${Math.max(Math.min(top - 20, HEIGHT - element.offsetHeight), 0)}px`;
  return nearest;
}
