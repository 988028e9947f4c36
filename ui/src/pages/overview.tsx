// What runs, what needs attention, and why: the first page in the night.
import { useEffect } from "preact/hooks";
import { Copy, Empty, Loading, Notice } from "../components/basics";
import { address } from "../lib/base";
import { ago, duration, time } from "../lib/format";
import { type LogLine, overview, overviewAt, overviewError, type Part, refreshOverview, troubles } from "../lib/role";
import { zone } from "../lib/settings";

const WORDS = { good: "works", warn: "degraded", bad: "failing" };

export function OverviewPage() {
  useEffect(() => {
    void refreshOverview();
    const timer = setInterval(() => document.hidden || void refreshOverview(), 5000);
    return () => clearInterval(timer);
  }, []);
  const data = overview.value;
  if (!data) {
    return (
      <div>
        <h1>Overview</h1>
        {overviewError.value ? <Notice kind="bad">{overviewError.value}</Notice> : <Loading what="the server" />}
      </div>
    );
  }
  const bad = troubles.value.filter((part) => part.state === "bad");
  const warn = troubles.value.filter((part) => part.state === "warn");
  return (
    <div>
      <div class="row spread title">
        <h1>Overview</h1>
        <Copy label="Copy as text" text={() => asText(data.parts, data.log)} />
      </div>
      <p class="muted">
        {data.role}, version {data.version}, up {duration(Date.now() - data.startedMs)} since {time(data.startedMs, zone.value === "utc")}; asked {ago(overviewAt.value)}
      </p>
      <h2>Needs attention</h2>
      {troubles.value.length === 0 ? <p class="allgood">Nothing. All parts work as they should.</p> : [...bad, ...warn].map((part) => <Attention part={part} key={part.name} />)}
      <h2>What runs</h2>
      <div class="grid">
        {data.parts.map((part) => (
          <div class="card part" key={part.name}>
            <div class="row spread">
              <b>
                <PartName part={part} />
              </b>
              <span class={`badge ${part.state}`}>{WORDS[part.state]}</span>
            </div>
            <div class="muted">{part.text}</div>
          </div>
        ))}
      </div>
      <h2>Last warnings</h2>
      {data.log.length === 0 ? (
        <Empty>None since the start.</Empty>
      ) : (
        <>
          <table>
            <tbody>
              {data.log
                .slice(-8)
                .reverse()
                .map((line, i) => (
                  <tr key={i}>
                    <td class="nowrap">{time(line.timeMs, zone.value === "utc")}</td>
                    <td>
                      <LogText line={line} />
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
          {data.log.length > 8 ? (
            <p>
              <a href={address("log")}>All {data.log.length}</a>
            </p>
          ) : null}
        </>
      )}
    </div>
  );
}

function PartName({ part }: { part: Part }) {
  return part.link ? <a href={address(part.link)}>{part.name}</a> : <>{part.name}</>;
}

function Attention({ part }: { part: Part }) {
  // A page that can show only what is wrong is asked to.
  const link = part.link === "targets" ? "targets?state=down" : part.link;
  return (
    <Notice kind={part.state === "bad" ? "bad" : "warn"}>
      <div class="row">
        <span class={`badge ${part.state}`}>{WORDS[part.state]}</span> <b>{link ? <a href={address(link)}>{part.name}</a> : part.name}</b>
      </div>
      <div>{part.text}</div>
      {part.cure ? <div class="cure">What to do: {part.cure}.</div> : null}
    </Notice>
  );
}

export function LogText({ line }: { line: LogLine }) {
  return (
    <>
      <span class={`badge ${/error/i.test(line.level) ? "bad" : "warn"}`}>{line.level.toLowerCase()}</span> {line.message}{" "}
      <span class="muted mono">{line.fields.map(([k, v]) => `${k}=${v}`).join(" ")}</span>
    </>
  );
}

/** For a ticket or a chat. */
function asText(parts: readonly Part[], log: readonly LogLine[]): string {
  return [
    ...parts.map((part) => `${WORDS[part.state]}: ${part.name}: ${part.text}${part.cure ? ` What to do: ${part.cure}.` : ""}`),
    ...log.map((line) => `${time(line.timeMs, true)} ${line.level} ${line.message} ${line.fields.map(([k, v]) => `${k}=${v}`).join(" ")}`),
  ].join("\n");
}
