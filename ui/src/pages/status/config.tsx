// The configuration in force, and the flags of the process.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Copy, Empty, Filter, State } from "../../components/basics";
import { matchesWords } from "../../lib/labels";
import { useParameter } from "../../lib/parameter";
import { type Asked, useAsk } from "../../lib/use";

export function Flags() {
  const [text, setText] = useParameter("filter");
  const asked = useAsk<Record<string, string>>("status/flags", {}, "");
  const all = useMemo(() => Object.entries(asked.answer?.data ?? {}).sort(([a], [b]) => a.localeCompare(b)), [asked.answer]);
  const rows = all.filter(([name, value]) => matchesWords(`--${name} ${value}`.toLowerCase(), text));
  return (
    <>
      <State asked={asked} what="the flags" />
      {asked.answer ? (
        <>
          <div class="row bar">
            <Filter value={text} onChange={setText} placeholder="Filter by name or value" />
            <span class="muted">
              {rows.length} of {all.length}
            </span>
            <Copy label="Copy as a command line" text={() => rows.map(([name, value]) => `--${name}=${quote(value)}`).join(" ")} />
          </div>
          {rows.length === 0 ? <Empty>No flag matches.</Empty> : null}
          <table class="pairs">
            <tbody>
              {rows.map(([name, value]) => (
                <tr key={name}>
                  <th scope="row" class="mono">
                    --{name}
                  </th>
                  <td class="mono">{value === "" ? <span class="muted">empty</span> : value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      ) : null}
    </>
  );
}

function quote(value: string): string {
  return /^[\w@%+=:,./-]*$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

export function Config() {
  const asked = useAsk<{ yaml: string }>("status/config", {}, "");
  return <ConfigText asked={asked} yaml={asked.answer?.data.yaml} />;
}

export function ConfigText({ asked, yaml }: { asked: Asked<unknown>; yaml: string | undefined }) {
  const [text, setText] = useParameter("filter");
  const lines = useMemo(() => (yaml ?? "").trimEnd().split("\n"), [yaml]);
  const wanted = text.trim().toLowerCase();
  const place = useRef<HTMLPreElement>(null);
  useEffect(() => place.current?.querySelector(".hit")?.scrollIntoView({ block: "center" }), [wanted, yaml]);
  const hits = wanted === "" ? 0 : lines.filter((line) => line.toLowerCase().includes(wanted)).length;
  return (
    <>
      <State asked={asked} what="the configuration" />
      {yaml === undefined ? null : (
        <>
          <div class="row bar">
            <Filter value={text} onChange={setText} placeholder="Mark lines with this text" />
            <span class="muted">{wanted === "" ? `${lines.length} lines, as loaded, with defaults; secrets are left out` : `${hits} lines`}</span>
            <Copy text={yaml} />
          </div>
          <pre class="card yaml" ref={place} tabIndex={0}>
            {wanted === ""
              ? yaml
              : lines.map((line, i) => (
                  <div key={i} class={line.toLowerCase().includes(wanted) ? "hit" : ""}>
                    {line || " "}
                  </div>
                ))}
          </pre>
        </>
      )}
    </>
  );
}
