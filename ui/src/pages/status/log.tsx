// Warnings and errors since the start, newest first.
import { useMemo } from "preact/hooks";
import { Copy, Empty, Filter, Loading } from "../../components/basics";
import { VirtualTable } from "../../components/virtual";
import { time } from "../../lib/format";
import { matchesWords } from "../../lib/labels";
import { useParameter } from "../../lib/parameter";
import { type LogLine, overview } from "../../lib/role";
import { zone } from "../../lib/settings";
import { LogText } from "../overview";

const textOf = (line: LogLine) => `${line.level} ${line.message} ${line.fields.map(([k, v]) => `${k}=${v}`).join(" ")}`;

export function Log() {
  const [text, setText] = useParameter("filter");
  const log = overview.value?.log;
  const lines = useMemo(() => [...(log ?? [])].reverse().filter((line) => matchesWords(textOf(line).toLowerCase(), text)), [log, text]);
  if (log === undefined) return <Loading what="the log" />;
  if (log.length === 0) return <Empty>No warning or error since the start. All else is in the log of the process.</Empty>;
  const utc = zone.value === "utc";
  return (
    <>
      <div class="row bar">
        <Filter value={text} onChange={setText} placeholder="Filter" />
        <span class="muted">
          {lines.length} of {log.length} warnings and errors, newest first
        </span>
        <Copy text={() => lines.map((line) => `${time(line.timeMs, true)} ${textOf(line)}`).join("\n")} />
      </div>
      <VirtualTable
        label="Warnings and errors"
        rows={lines}
        columns={[
          { title: "Time", width: "170px", cell: (line) => time(line.timeMs, utc) },
          { title: "What happened", width: "minmax(0, 1fr)", cell: (line) => <LogText line={line} /> },
        ]}
      />
    </>
  );
}
