// Times as people type them: "now", "now-1h", "2026-11-24 10:00", seconds since 1970; and durations as Prometheus writes them.

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

/** "1h30m" in ms; undefined where it is no duration. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^(\d+(ms|[smhdwy]))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, count, unit] of trimmed.matchAll(/(\d+)(ms|[smhdwy])/g)) total += Number(count) * (UNIT_MS[unit as string] ?? 0);
  return total;
}

/** Milliseconds as the shortest exact duration: 5400000 -> "1h30m". */
export function formatDuration(ms: number): string {
  if (ms <= 0) return "0s";
  let rest = Math.round(ms);
  let out = "";
  for (const unit of ["w", "d", "h", "m", "s", "ms"]) {
    const size = UNIT_MS[unit] as number;
    if (unit === "w" && rest % size !== 0) continue;
    const count = Math.floor(rest / size);
    if (count > 0) out += `${count}${unit}`;
    rest -= count * size;
  }
  return out;
}

/** A time in ms; undefined where the text is none. */
export function parseTime(text: string, nowMs: number, utc: boolean): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "now") return nowMs;
  const relative = /^now\s*-\s*(.+)$/.exec(trimmed);
  if (relative) {
    const back = parseDuration(relative[1] as string);
    return back === undefined ? undefined : nowMs - back;
  }
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000;
  const iso = trimmed.replace(" ", "T");
  const ms = Date.parse(utc && !/(Z|[+-]\d\d:?\d\d)$/.test(iso) ? `${iso}Z` : iso);
  return Number.isNaN(ms) ? undefined : ms;
}

/** A step that gives about `points` points over the range, rounded to what people would choose. */
export function autoStep(rangeMs: number, points = 250): number {
  const wanted = Math.max(rangeMs / points, 1000);
  const nice = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
  for (const seconds of nice) if (seconds * 1000 >= wanted) return seconds * 1000;
  return Math.ceil(wanted / 86_400_000) * 86_400_000;
}

/** A time as the fields take it: in the chosen zone, to the second. */
export function timeText(ms: number, utc: boolean): string {
  const shift = utc ? 0 : new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - shift).toISOString().slice(0, 19).replace("T", " ");
}
