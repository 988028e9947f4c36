// The legend of a graph: values at the cursor, or the last ones; toggles, isolates, sorts, filters.
import { useMemo, useState } from "preact/hooks";
import { lineColour } from "../lib/colour";
import { short } from "../lib/format";
import { haystack, matchesWords, seriesText } from "../lib/labels";
import type { Line } from "../lib/result";
import { Copy, Filter } from "./basics";

/** Entries shown before "more" is asked for. */
const SHOWN = 30;

interface Props {
  lines: Line[];
  hidden: ReadonlySet<number>;
  setHidden: (hidden: ReadonlySet<number>) => void;
  /** Index of the cursor's step; null for none. */
  at: number | null;
  isDark: boolean;
  /** The line that is pointed at; -1 for none. */
  onPoint: (index: number) => void;
}

type Sort = "given" | "down" | "up";

function lastValue(line: Line): number | null {
  for (let i = line.values.length - 1; i >= 0; i--) {
    const v = line.values[i];
    if (v !== null && v !== undefined) return v;
  }
  return null;
}

/** Click toggles a series; Ctrl, Shift or double click shows it alone, and once more shows all again. */
export function Legend({ lines, hidden, setHidden, at, isDark, onPoint }: Props) {
  const [sort, setSort] = useState<Sort>("given");
  const [all, setAll] = useState(false);
  const [text, setText] = useState("");
  const [raw, setRaw] = useState(false);
  const texts = useMemo(() => lines.map((line) => seriesText(line.labels)), [lines]);
  const hays = useMemo(() => lines.map((line) => haystack(line.labels)), [lines]);
  const lasts = useMemo(() => lines.map(lastValue), [lines]);
  // Sorted by the last value, not by the one under the cursor: entries that jump cannot be clicked.
  const order = useMemo(() => {
    const out = lines.map((_, i) => i).filter((i) => text === "" || matchesWords(hays[i] as string, text));
    const sign = sort === "down" ? -1 : 1;
    if (sort !== "given") out.sort((a, b) => sign * ((lasts[a] ?? -Infinity) - (lasts[b] ?? -Infinity)));
    return out;
  }, [lines, sort, text]);
  const shown = all ? order : order.slice(0, SHOWN);
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
  const value = (i: number) => (at !== null ? (lines[i]?.values[at] ?? null) : (lasts[i] ?? null));
  return (
    <div class="legend">
      <div class="row no-print">
        <span class="muted">
          {lines.length} series{hidden.size > 0 ? `, ${hidden.size} hidden` : ""}
        </span>
        <button
          type="button"
          class="quiet"
          onClick={() => setSort(sort === "given" ? "down" : sort === "down" ? "up" : "given")}
          title="Order of the legend"
        >
          {sort === "given" ? "Order: as sent" : sort === "down" ? "Order: largest first" : "Order: smallest first"}
        </button>
        <button type="button" class="quiet" aria-pressed={raw} title="Values as the server sent them" onClick={() => setRaw(!raw)}>
          Raw values
        </button>
        {hidden.size > 0 ? (
          <button type="button" class="quiet" onClick={() => setHidden(new Set())}>
            Show all
          </button>
        ) : null}
        {lines.length > 8 ? (
          <>
            <Filter value={text} onChange={setText} placeholder="Filter the legend" />
            {text !== "" ? (
              <button type="button" class="quiet" onClick={() => setHidden(new Set(lines.map((_, i) => i).filter((i) => !matchesWords(hays[i] as string, text))))}>
                Show only these
              </button>
            ) : null}
          </>
        ) : null}
        <span class="muted hint">click hides, Ctrl-click shows alone</span>
      </div>
      <div class={`entries ${raw ? "raw" : ""}`}>
        {shown.map((i) => {
          const v = value(i);
          return (
            <div class="entryrow" key={i} onPointerEnter={() => onPoint(i)} onPointerLeave={() => onPoint(-1)}>
              <button
                type="button"
                class="entry"
                aria-pressed={!hidden.has(i)}
                onClick={(e) => click(i, e.shiftKey || e.ctrlKey || e.metaKey)}
                onDblClick={() => click(i, true)}
              >
                <i style={{ background: hidden.has(i) ? "transparent" : lineColour(i, isDark), borderColor: lineColour(i, isDark) }} />
                <b title={v === null ? "" : String(v)}>{v === null ? "" : raw ? String(v) : short(v)}</b>
                <span class="mono">{texts[i]}</span>
              </button>
              <Copy text={texts[i] as string} />
            </div>
          );
        })}
      </div>
      {order.length > shown.length ? (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          Show {order.length - shown.length} more
        </button>
      ) : null}
    </div>
  );
}
