// Values as a graph draws them.
import type { Line } from "./result";

/**
 * As they are, or each shown line on top of the shown ones before it. In a stack a missing value adds nothing, so that what lies
 * above keeps its ground; where all are missing there is a gap.
 */
export function layers(lines: readonly Line[], hidden: ReadonlySet<number>, stacked: boolean): (number | null)[][] {
  if (!stacked) return lines.map((line) => line.values);
  const length = lines[0]?.values.length ?? 0;
  const sum = new Float64Array(length);
  const present = new Uint8Array(length);
  lines.forEach((line, l) => {
    if (!hidden.has(l)) for (let i = 0; i < length; i++) if (line.values[i] != null) present[i] = 1;
  });
  return lines.map((line, l) =>
    line.values.map((v, i) => {
      if (hidden.has(l) || present[i] === 0) return null;
      sum[i] = (sum[i] as number) + (v ?? 0);
      return sum[i] as number;
    }),
  );
}
