// What was built, and what the process says of itself.
import { Copy, State } from "../../components/basics";
import { isNever, time } from "../../lib/format";
import { zone } from "../../lib/settings";
import { useAsk } from "../../lib/use";

type Facts = Record<string, string | number | boolean>;

const NAMES: Record<string, string> = {
  version: "Version of the API",
  revision: "Revision",
  branch: "Branch",
  buildUser: "Built by",
  buildDate: "Built at",
  goVersion: "Go",
  startTime: "Started",
  serverTime: "Clock of the server",
  CWD: "Folder it was started in",
  hostname: "Host",
  lastConfigTime: "Configuration loaded",
  reloadConfigSuccess: "Last reload worked",
  corruptionCount: "Damaged places in the log",
  GOMAXPROCS: "CPUs in use",
  storageRetention: "Retention",
};

/** Facts of a Go process, which this is none: kept in the API for clients that ask. */
const LEFT_OUT = new Set(["GODEBUG", "GOGC", "GOMEMLIMIT", "goroutineCount", "goVersion"]);

export function Build() {
  const build = useAsk<Facts>("status/buildinfo", {}, "");
  const run = useAsk<Facts>("status/runtimeinfo", {}, "");
  const facts = [...Object.entries(build.answer?.data ?? {}), ...Object.entries(run.answer?.data ?? {})].filter(([name, value]) => !LEFT_OUT.has(name) && value !== "");
  return (
    <>
      <State asked={build} what="the build" />
      {facts.length > 0 ? (
        <>
          <div class="row bar">
            <Copy text={() => facts.map(([name, value]) => `${name}: ${value}`).join("\n")} />
          </div>
          <table class="pairs">
            <tbody>
              {facts.map(([name, value]) => (
                <tr key={name}>
                  <th scope="row">{NAMES[name] ?? name}</th>
                  <td class="mono">{show(value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      ) : null}
    </>
  );
}

function show(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return isNever(value) ? "never" : time(Date.parse(value), zone.value === "utc");
  return String(value);
}
