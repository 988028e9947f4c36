// Pages that show one answer of the server: which, by the last part of the address.
import { useLocation } from "preact-iso";
import { Empty } from "../components/basics";
import { basePath } from "../lib/base";
import { pages } from "../lib/pages";
import { has, overview } from "../lib/role";
import { Build } from "./status/build";
import { Config, Flags } from "./status/config";
import { Discovery } from "./status/discovery";
import { Log } from "./status/log";
import { Alerts, Rules } from "./status/rules";
import { Storage } from "./status/storage";
import { Stores } from "./status/stores";
import "./status/status.css";

export function StatusPage() {
  const what = useLocation().path.slice(basePath.length);
  const page = pages.find((one) => one.path === what);
  return (
    <div>
      <h1>{page?.title ?? "No such page"}</h1>
      {page && !has(what) ? <Empty>The role {overview.value?.role} has no {page.title.toLowerCase()}.</Empty> : <Body what={what} />}
    </div>
  );
}

function Body({ what }: { what: string }) {
  switch (what) {
    case "flags":
      return <Flags />;
    case "config":
      return <Config />;
    case "storage":
      return <Storage />;
    case "stores":
      return <Stores />;
    case "rules":
      return <Rules />;
    case "alerts":
      return <Alerts />;
    case "log":
      return <Log />;
    case "build":
      return <Build />;
    case "discovery":
      return <Discovery />;
    default:
      return <Empty>Nothing is served at this address.</Empty>;
  }
}
