// The answer at one moment, as a table of which only the rows in view are drawn.
import { useMemo, useState } from "preact/hooks";
import { Copy, Empty, Labels } from "../../components/basics";
import { VirtualTable } from "../../components/virtual";
import { encode } from "../../lib/api";
import { address } from "../../lib/base";
import { short } from "../../lib/format";
import { type Panel, storeParameters } from "../../lib/panels";
import { type Histogram, type QueryData, type Row, tableCsv, tableRows } from "../../lib/result";
import { overview } from "../../lib/role";
import { zone } from "../../lib/settings";
import { parseTime } from "../../lib/time";
import { useAsk } from "../../lib/use";
import { Completeness, cost, Notes, panelLink } from "./notes";

export function TableTab({ panel, runs }: { panel: Panel; runs: number }) {
  const [rounded, setRounded] = useState(false);
  const isQuery = overview.value?.role === "query";
  const at = panel.end === "" ? undefined : parseTime(panel.end, Date.now(), zone.value === "utc");
  const parameters = { query: panel.expr, time: at === undefined ? undefined : at / 1000, ...storeParameters(panel) };
  const key = JSON.stringify([panel.expr, panel.end, storeParameters(panel), runs, zone.value]);
  const asked = useAsk<QueryData>("query", { ...parameters, stats: true }, key);
  const rows = useMemo(() => (asked.answer ? tableRows(asked.answer.data) : []), [asked.answer]);
  const number = asked.answer?.data.resultType !== "string";
  return (
    <div>
      <Notes asked={asked} expr={panel.expr} />
      {asked.answer ? (
        <>
          <div class="row muted bar">
            <span>
              {rows.length} {rows.length === 1 ? "row" : "rows"}, {cost(asked)} {isQuery ? <Completeness panel={panel} warnings={asked.answer?.warnings ?? []} /> : null}
            </span>
            <span class="row end">
              <button type="button" class="quiet no-print" aria-pressed={rounded} onClick={() => setRounded(!rounded)}>
                Rounded
              </button>
              <Copy label="Copy CSV" text={() => tableCsv(rows)} />
              <Copy label="Copy link" text={() => panelLink(panel)} />
              <Copy label="Copy API link" text={() => new URL(`${address("api/v1/query")}?${encode(parameters)}`, location.href).href} />
            </span>
          </div>
          {rows.length === 0 ? (
            <Empty>No series match at this time. Is the name right, and was there a sample in the last five minutes?</Empty>
          ) : (
            <VirtualTable
              label="Result"
              rows={rows}
              columns={[
                { title: "Series", width: "minmax(0, 1fr)", cell: (row) => <Name row={row} />, by: (row) => row.name },
                {
                  title: "Value",
                  width: "minmax(72px, auto)",
                  number,
                  cell: (row) => <Value row={row} rounded={rounded} />,
                  by: number ? (row) => row.number : undefined,
                },
              ]}
            />
          )}
        </>
      ) : null}
    </div>
  );
}

function Name({ row }: { row: Row }) {
  if (!row.labels) return <>{row.name}</>;
  const { __name__: name } = row.labels;
  return (
    <>
      {name ? <span class="mono strong">{name} </span> : null}
      <Labels labels={row.labels} without={["__name__"]} />
      {Object.keys(row.labels).length === 0 ? <span class="muted">{"{}"}</span> : null}
    </>
  );
}

function Value({ row, rounded }: { row: Row; rounded: boolean }) {
  if (row.histogram) return <Buckets histogram={row.histogram} text={row.value} />;
  return <span class="mono">{rounded && !Number.isNaN(row.number) ? short(row.number) : row.value}</span>;
}

/** A native histogram in a row: a bar a bucket, the figures beside it. */
function Buckets({ histogram, text }: { histogram: Histogram; text: string }) {
  const buckets = histogram.buckets ?? [];
  const most = buckets.reduce((most, [, , , count]) => Math.max(most, Number(count)), 0);
  return (
    <details>
      <summary>
        <span class="bars" role="img" aria-label={`${buckets.length} buckets`}>
          {buckets.map(([, lower, , count]) => (
            <i key={lower} style={{ height: `${(Number(count) / most) * 100}%` }} />
          ))}
        </span>{" "}
        <span class="mono">{text}</span>
      </summary>
      <table>
        <tbody>
          {buckets.map(([rule, lower, upper, count]) => (
            <tr key={lower}>
              <td class="mono">
                {rule === 1 || rule === 3 ? "[" : "("}
                {lower}, {upper}
                {rule === 0 || rule === 3 ? "]" : ")"}
              </td>
              <td class="number mono">{count}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
