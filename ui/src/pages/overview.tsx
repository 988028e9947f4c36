// What runs, what needs attention, and why: the first page in the night.
import { Empty, Loading, Notice } from "../components/basics";
import { address } from "../lib/base";
import { duration, time } from "../lib/format";
import { overview, overviewError, type Part } from "../lib/role";
import { zone } from "../lib/settings";

export function OverviewPage() {
  const data = overview.value;
  if (!data) {
    return (
      <div>
        <h1>Overview</h1>
        {overviewError.value ? <Notice kind="bad">{overviewError.value}</Notice> : <Loading what="the server" />}
      </div>
    );
  }
  const attention = data.parts.filter((part) => part.state !== "good");
  return (
    <div>
      <h1>Overview</h1>
      {overviewError.value ? <Notice kind="bad">{overviewError.value} What follows is older.</Notice> : null}
      <p class="muted">
        {data.role} {data.version}, up {duration(Date.now() - data.startedMs)}
      </p>
      {data.ready ? null : <Notice kind="warn">Not ready: {data.notReady ?? "starting"}</Notice>}
      <h2>Needs attention</h2>
      {attention.length === 0 ? <Empty>Nothing. All parts work as they should.</Empty> : attention.map((part) => <Attention part={part} key={part.name} />)}
      <h2>What runs</h2>
      <div class="grid">
        {data.parts.map((part) => (
          <div class="card" key={part.name}>
            <div class="row spread">
              <b>{part.link ? <a href={address(part.link)}>{part.name}</a> : part.name}</b>
              <span class={`badge ${part.state}`}>{part.state === "good" ? "works" : part.state === "warn" ? "degraded" : "failing"}</span>
            </div>
            <div class="muted">{part.text}</div>
          </div>
        ))}
      </div>
      <h2>Last warnings</h2>
      {data.log.length === 0 ? (
        <Empty>None since the start.</Empty>
      ) : (
        <table>
          <tbody>
            {data.log
              .slice(-8)
              .reverse()
              .map((line) => (
                <tr key={`${line.timeMs}${line.message}`}>
                  <td style={{ whiteSpace: "nowrap" }}>{time(line.timeMs, zone.value === "utc")}</td>
                  <td>
                    <span class={`badge ${line.level === "error" ? "bad" : "warn"}`}>{line.level}</span> {line.message}{" "}
                    <span class="muted mono">{line.fields.map(([k, v]) => `${k}=${v}`).join(" ")}</span>
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function Attention({ part }: { part: Part }) {
  return (
    <Notice kind={part.state === "bad" ? "bad" : "warn"}>
      <b>{part.link ? <a href={address(part.link)}>{part.name}</a> : part.name}</b>: {part.text}
      {part.cure ? <div>What to do: {part.cure}</div> : null}
    </Notice>
  );
}
