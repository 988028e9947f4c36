// Numbers, bytes, durations and times as people read them.

const UNITS = ["", "k", "M", "G", "T", "P"];

/** 12345 -> "12.3 k". Keeps small numbers exact. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && magnitude < 0.001) return value.toExponential(2);
  if (magnitude < 1000) return String(Number(value.toPrecision(5)));
  const power = Math.min(Math.floor(Math.log10(magnitude) / 3), UNITS.length - 1);
  return `${Number((value / 1000 ** power).toPrecision(4))} ${UNITS[power]}`;
}

/** Bytes in powers of 1024. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let power = 0;
  let rest = Math.abs(value);
  while (rest >= 1024 && power < units.length - 1) {
    rest /= 1024;
    power++;
  }
  return `${Number((Math.sign(value) * rest).toPrecision(3))} ${units[power]}`;
}

/** Milliseconds as "1h 5m", two largest units at most. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Number(ms.toPrecision(3))}ms`;
  const parts: [number, string][] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "m"],
    [1000, "s"],
  ];
  const out: string[] = [];
  let rest = Math.round(ms / 1000) * 1000;
  for (const [size, unit] of parts) {
    const count = Math.floor(rest / size);
    if (count > 0) out.push(`${count}${unit}`);
    rest -= count * size;
    if (out.length === 2) break;
  }
  return out.join(" ") || "0s";
}

/** How long ago a time was, to the second. */
export function ago(ms: number, nowMs = Date.now()): string {
  const since = Math.floor((nowMs - ms) / 1000) * 1000;
  return since < 1000 ? "just now" : `${duration(since)} ago`;
}

/** A time in the chosen zone, to the second. */
export function time(ms: number, utc: boolean): string {
  if (!Number.isFinite(ms)) return "-";
  const date = new Date(ms);
  if (utc) return date.toISOString().replace("T", " ").replace(/\.\d+Z$/, "Z");
  const pad = (n: number) => String(n).padStart(2, "0");
  return (
    `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ` +
    `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  );
}

/** Whether a time lies in the zero of Go's clock: never. */
export function isNever(text: string): boolean {
  return text === "" || text.startsWith("0001-01-01");
}
