// Which rows of a long list are in view. Heights are guessed until a row has been drawn once, then known by its key.
import { useEffect, useReducer, useRef } from "preact/hooks";

/** Rows drawn beyond each end of the view. */
const BEYOND = 8;

/** Offsets of rows whose heights are partly known. */
export class Heights {
  readonly #known = new Map<string | number, number>();
  #keys: readonly (string | number)[] = [];
  #offsets = new Float64Array(1);
  #stale = true;

  constructor(readonly guess: number) {}

  setKeys(keys: readonly (string | number)[]): void {
    if (keys === this.#keys) return;
    this.#keys = keys;
    this.#stale = true;
  }

  /** Difference to the height known before; 0 where nothing changed. */
  measure(key: string | number, height: number): number {
    const before = this.#known.get(key) ?? this.guess;
    if (Math.abs(before - height) < 0.5) return 0;
    this.#known.set(key, height);
    this.#stale = true;
    return height - before;
  }

  offset(index: number): number {
    if (this.#stale) {
      const offsets = new Float64Array(this.#keys.length + 1);
      this.#keys.forEach((key, i) => {
        offsets[i + 1] = (offsets[i] as number) + (this.#known.get(key) ?? this.guess);
      });
      this.#offsets = offsets;
      this.#stale = false;
    }
    return this.#offsets[index] ?? 0;
  }

  total(): number {
    return this.offset(this.#keys.length);
  }

  /** Index of the row at a distance from the top. */
  at(distance: number): number {
    this.offset(0);
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#offsets[middle + 1] as number) <= distance) low = middle + 1;
      else high = middle;
    }
    return Math.min(low, Math.max(this.#keys.length - 1, 0));
  }
}

export interface Shown {
  /** Goes on the element that scrolls. */
  scroller: (element: HTMLElement | null) => void;
  /** Goes on every row that is drawn, which carries `data-index`. */
  row: (element: HTMLElement | null) => void;
  total: number;
  first: number;
  /** One past the last row to draw. */
  end: number;
  offset: (index: number) => number;
}

export function useRows(keys: readonly (string | number)[], guess: number): Shown {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const heights = useRef<Heights>();
  heights.current ??= new Heights(guess);
  const all = heights.current;
  all.setKeys(keys);
  const latest = useRef(keys);
  latest.current = keys;
  const box = useRef<HTMLElement | null>(null);
  const view = useRef({ top: 0, height: 600 });
  const watch = useRef<ResizeObserver>();
  const parts = useRef<Pick<Shown, "scroller" | "row">>();
  parts.current ??= (() => {
    const look = () => {
      const element = box.current;
      if (!element) return;
      const { top, height } = view.current;
      if (element.scrollTop === top && element.clientHeight === height) return;
      view.current = { top: element.scrollTop, height: element.clientHeight };
      redraw(0);
    };
    watch.current = new ResizeObserver((entries) => {
      let changed = false;
      for (const { target } of entries) {
        if (target === box.current) {
          look();
          continue;
        }
        const element = target as HTMLElement;
        const index = Number(element.dataset.index);
        const key = latest.current[index];
        if (!element.isConnected || key === undefined) continue;
        const above = all.offset(index + 1) <= view.current.top;
        const grown = all.measure(key, element.offsetHeight);
        if (grown === 0) continue;
        changed = true;
        // What grows above the view must not push the view.
        if (above && box.current) box.current.scrollTop += grown;
      }
      if (changed) redraw(0);
    });
    return {
      scroller: (element) => {
        box.current?.removeEventListener("scroll", look);
        box.current = element;
        if (!element) return;
        element.addEventListener("scroll", look, { passive: true });
        watch.current?.observe(element);
      },
      row: (element) => {
        if (element) watch.current?.observe(element);
      },
    };
  })();
  useEffect(() => () => watch.current?.disconnect(), []);
  const { top, height } = view.current;
  const first = Math.max(all.at(top) - BEYOND, 0);
  const end = Math.min(all.at(top + height) + 1 + BEYOND, keys.length);
  return { ...parts.current, total: all.total(), first, end, offset: (index) => all.offset(index) };
}
