// A table of which only the rows in view are in the document: thousands of rows cost as much as twenty.
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import { useEffect, useReducer, useRef } from "preact/hooks";
import "./virtual.css";

export interface Column<Row> {
  title: string;
  /** CSS width, as of a grid column. */
  width: string;
  number?: boolean;
  cell: (row: Row, index: number) => ComponentChildren;
}

interface Props<Row> {
  rows: readonly Row[];
  columns: Column<Row>[];
  label: string;
  /** First guess of a row's height in px; real heights are measured. */
  rowHeight?: number;
  maxHeight?: string;
}

export function VirtualTable<Row>({ rows, columns, label, rowHeight = 33, maxHeight = "70vh" }: Props<Row>) {
  const scroll = useRef<HTMLDivElement>(null);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const virtual = useRef<Virtualizer<HTMLDivElement, HTMLDivElement>>();
  const options = {
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => rowHeight,
    overscan: 6,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => redraw(0),
  };
  virtual.current ??= new Virtualizer(options);
  virtual.current.setOptions(options);
  useEffect(() => virtual.current?._didMount(), []);
  useEffect(() => virtual.current?._willUpdate());
  const items = virtual.current.getVirtualItems();
  const template = columns.map((c) => c.width).join(" ");
  return (
    <div class="vtable" role="table" aria-label={label} aria-rowcount={rows.length + 1}>
      <div class="vrow head" role="row" style={{ gridTemplateColumns: template }}>
        {columns.map((c) => (
          <span role="columnheader" key={c.title} class={c.number ? "number" : ""}>
            {c.title}
          </span>
        ))}
      </div>
      <div class="vbody" ref={scroll} style={{ maxHeight }} tabIndex={0}>
        <div style={{ height: `${virtual.current.getTotalSize()}px`, position: "relative" }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            return (
              <div
                class="vrow"
                role="row"
                aria-rowindex={item.index + 2}
                key={item.key}
                data-index={item.index}
                ref={(element) => virtual.current?.measureElement(element)}
                style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
              >
                {columns.map((c) => (
                  <span role="cell" key={c.title} class={c.number ? "number" : ""}>
                    {c.cell(row, item.index)}
                  </span>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
