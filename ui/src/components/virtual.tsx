// A table of which only the rows in view are in the document: thousands of rows cost as much as twenty.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { printing } from "../lib/printing";
import { useRows } from "./rows";
import "./virtual.css";

export interface Column<Row> {
  title: string;
  /** CSS width, as of a grid column. */
  width: string;
  number?: boolean;
  /** Hidden where the window is narrow. */
  wideOnly?: boolean;
  cell: (row: Row, index: number) => ComponentChildren;
  /** What the column sorts by; without it the column cannot be sorted. */
  by?: (row: Row) => string | number;
}

interface Props<Row> {
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  label: string;
  /** Name of a row that stays the same when rows come and go. */
  rowKey?: (row: Row, index: number) => string;
  /** First guess of a row's height in px; real heights are measured. */
  rowHeight?: number;
}

/** Most rows that are printed. */
const PRINTED = 1000;

/** Column and direction; unset for the order of the rows as given. */
type Order = { column: string; down: boolean } | undefined;

function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: Order): readonly Row[] {
  const by = columns.find((column) => column.title === order?.column)?.by;
  if (!by || !order) return rows;
  const sign = order.down ? -1 : 1;
  return rows
    .map((row) => [by(row), row] as const)
    .sort(([a], [b]) => {
      if (typeof a === "number" && typeof b === "number") {
        // What is no number stays last in both directions.
        if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
        return sign * (a - b);
      }
      return sign * String(a).localeCompare(String(b));
    })
    .map(([, row]) => row);
}

const narrowQuery = typeof matchMedia === "function" ? matchMedia("(max-width: 760px)") : undefined;

export function VirtualTable<Row>({ rows, columns: all, label, rowKey, rowHeight = 31 }: Props<Row>) {
  const [order, setOrder] = useState<Order>();
  const [narrow, setNarrow] = useState(narrowQuery?.matches ?? false);
  useEffect(() => {
    const onChange = () => setNarrow(narrowQuery?.matches ?? false);
    narrowQuery?.addEventListener("change", onChange);
    return () => narrowQuery?.removeEventListener("change", onChange);
  }, []);
  const columns = narrow ? all.filter((column) => !column.wideOnly) : all;
  const inOrder = useMemo(() => sorted(rows, columns, order), [rows, order, narrow]);
  const keys = useMemo(() => inOrder.map((row, i) => rowKey?.(row, i) ?? i), [inOrder]);
  const shown = useRows(keys, rowHeight);
  const whole = printing.value;
  const [first, end] = whole ? [0, PRINTED] : [shown.first, shown.end];
  const template = columns.map((c) => c.width).join(" ");
  const turn = (column: Column<Row>) => {
    const first = column.number === true;
    if (order?.column !== column.title) setOrder({ column: column.title, down: first });
    else setOrder(order.down === first ? { column: column.title, down: !first } : undefined);
  };
  return (
    <div class="vtable" role="table" aria-label={label} aria-rowcount={rows.length + 1}>
      <div class="vrow head" role="row" style={{ gridTemplateColumns: template }}>
        {columns.map((c) => (
          <span
            role="columnheader"
            key={c.title}
            class={c.number ? "number" : ""}
            aria-sort={order?.column === c.title ? (order.down ? "descending" : "ascending") : undefined}
          >
            {c.by ? (
              <button type="button" class="sort" onClick={() => turn(c)}>
                {c.title}
                {order?.column === c.title ? (order.down ? " ↓" : " ↑") : ""}
              </button>
            ) : (
              c.title
            )}
          </span>
        ))}
      </div>
      <div class="vbody" role="rowgroup" ref={shown.scroller} style={{ height: whole ? "auto" : `min(${shown.total}px, max(50vh, 100vh - 170px))` }} tabIndex={0}>
        <div role="presentation" style={{ height: whole ? "auto" : `${shown.total}px`, position: "relative" }}>
          {inOrder.slice(first, end).map((row, i) => {
            const index = first + i;
            return (
              <div
                class="vrow"
                role="row"
                aria-rowindex={index + 2}
                key={keys[index]}
                data-index={index}
                ref={shown.row}
                style={{ gridTemplateColumns: template, ...(whole ? { position: "static" } : { transform: `translateY(${shown.offset(index)}px)` }) }}
              >
                {columns.map((c) => (
                  <span role="cell" key={c.title} class={c.number ? "number" : ""}>
                    {c.cell(row, index)}
                  </span>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      {whole && rows.length > PRINTED ? <p class="muted">The first {PRINTED} of {rows.length} rows are printed.</p> : null}
    </div>
  );
}
