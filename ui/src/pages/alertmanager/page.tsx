// Pages of the role `alertmanager`: which, by the last part of the address.
import { useLocation } from "preact-iso";
import { Copy, State } from "../../components/basics";
import { address, basePath } from "../../lib/base";
import { time } from "../../lib/format";
import { pages } from "../../lib/pages";
import { overview } from "../../lib/role";
import { zone } from "../../lib/settings";
import { ConfigText } from "../status/config";
import { AlertsPage } from "./alerts";
import { type Status, useV2 } from "./api";
import { ClusterPage } from "./cluster";
import { LedgerPage } from "./ledger";
import { usePlace } from "./place";
import { RoutesPage } from "./routes";
import { SilencesPage } from "./silences";
import "../status/status.css";
import "./alertmanager.css";

export function AlertmanagerPage() {
  const what = useLocation().path.slice(basePath.length);
  return (
    <div class="am">
      <h1>
        <Title what={what} />
      </h1>
      <Body what={what} />
    </div>
  );
}

function Title({ what }: { what: string }) {
  const [place] = usePlace();
  if (what === "silences") {
    if (place.has("new") || place.has("copy")) return <>New silence</>;
    if (place.has("edit")) return <>Change a silence</>;
    if (place.has("id")) return <>Silence</>;
  }
  if (what === "ledger" && place.has("fingerprint")) return <>What became of an alert</>;
  return <>{pages.find((one) => one.path === what)?.title ?? "No such page"}</>;
}

function Body({ what }: { what: string }) {
  switch (what) {
    case "silences":
      return <SilencesPage />;
    case "ledger":
      return <LedgerPage />;
    case "routes":
      return <RoutesPage />;
    case "cluster":
      return <ClusterPage />;
    case "config":
      return <Config />;
    case "build":
      return <Build />;
    default:
      return <AlertsPage />;
  }
}

function Config() {
  const asked = useV2<Status>("status", {}, "");
  return <ConfigText asked={asked} yaml={asked.answer?.data.config.original} />;
}

const NAMES: Record<string, string> = { version: "Version of the API", revision: "Revision", branch: "Branch", buildUser: "Built by", buildDate: "Built at" };

function Build() {
  const asked = useV2<Status>("status", {}, "");
  const status = asked.answer?.data;
  const facts = status ? [["Gauntlet", overview.value?.version ?? ""], ["Started", time(Date.parse(status.uptime), zone.value === "utc")], ...Object.entries(NAMES).map(([name, title]) => [title, status.versionInfo[name] ?? ""])].filter(([, value]) => value !== "") : [];
  return (
    <>
      <State asked={asked} what="the build" />
      {facts.length > 0 ? (
        <>
          <div class="row bar">
            <Copy text={() => facts.map(([name, value]) => `${name}: ${value}`).join("\n")} />
            <a href={address("metrics")}>Metrics of this process</a>
          </div>
          <table class="pairs">
            <tbody>
              {facts.map(([name, value]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="mono">{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      ) : null}
    </>
  );
}
