// A small line of one series, for rows and cards.

export function Sparkline({ values, label, width = 160, height = 28 }: { values: readonly (number | null)[]; label: string; width?: number; height?: number }) {
  const known = values.filter((v): v is number => v !== null);
  if (known.length < 2) return <span class="muted">too few samples</span>;
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  let path = "";
  let pen = "M";
  values.forEach((v, i) => {
    if (v === null) {
      pen = "M";
      return;
    }
    path += `${pen}${((i / (values.length - 1)) * width).toFixed(1)} ${(height - 2 - ((v - low) / span) * (height - 4)).toFixed(1)}`;
    pen = "L";
  });
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <path d={path} fill="none" stroke="var(--accent)" stroke-width="1.5" />
    </svg>
  );
}
