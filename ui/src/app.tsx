// The frame: navigation, the page that the address names, the command palette.
import { LocationProvider, lazy, Route, Router, useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { Loading } from "./components/basics";
import { Palette, paletteOpen } from "./components/palette";
import { address, basePath } from "./lib/base";
import { moved, ofAlerts, pages } from "./lib/pages";
import { has, overview, overviewError, refreshFeatures, refreshOverview, troubles } from "./lib/role";
import { theme, zone } from "./lib/settings";
import { useAsk } from "./lib/use";

const load = {
  query: () => import("./pages/query").then((m) => m.QueryPage),
  targets: () => import("./pages/targets").then((m) => m.TargetsPage),
  overview: () => import("./pages/overview").then((m) => m.OverviewPage),
  alertmanager: () => import("./pages/alertmanager/page").then((m) => m.AlertmanagerPage),
  status: () => import("./pages/status").then((m) => m.StatusPage),
};
// The page's own code is asked for at once, not only when the frame has been drawn.
const first = location.pathname.slice(basePath.length);
void (first === "" ? load.query : first in load ? load[first as keyof typeof load] : ofAlerts.includes(first) ? load.alertmanager : load.status)();

const Query = lazy(load.query);
const Targets = lazy(load.targets);
const Overview = lazy(load.overview);
const Status = lazy(load.status);
const Alertmanager = lazy(load.alertmanager);

export function App() {
  useEffect(() => {
    void refreshOverview();
    void refreshFeatures();
  }, []);
  // While something is about to change, or is looked at, it is asked for more often.
  const everyMs = overview.value?.ready === false ? 1000 : 15_000;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || void refreshOverview(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return (
    <LocationProvider scope={basePath}>
      <a class="skip" href="#main">
        To the content
      </a>
      <div class="shell">
        <Nav />
        <main class="main" id="main" tabIndex={-1}>
          {overviewError.value && overview.value ? (
            <div class="notice bad" role="alert">
              {overviewError.value} What is shown may be old; it is asked again every 15 seconds.
            </div>
          ) : null}
          {overview.value?.ready === false ? <Starting why={overview.value.notReady ?? "it is starting"} /> : null}
          <Router onRouteChange={titleFor}>
            <Route path={address("query")} component={Query} />
            <Route path={address("targets")} component={Targets} />
            <Route path={address("overview")} component={Overview} />
            <Route path={address(":what")} component={Elsewhere} />
            <Route path={basePath} component={Home} />
            <Route default component={NotFound} />
          </Router>
        </main>
      </div>
      <Palette />
    </LocationProvider>
  );
}

/** Shown until the server is ready: why it is not, and how far the log has been read. */
function Starting({ why }: { why: string }) {
  const asked = useAsk<{ min: number; max: number; current: number }>(has("storage") ? "status/walreplay" : undefined, {}, "", 1000);
  const { min = 0, max = 0, current = 0 } = asked.answer?.data ?? {};
  return (
    <div class="notice warn" role="status">
      Not ready yet: {why}.
      {max > min ? (
        <div class="row">
          <progress max={max - min} value={current - min} aria-label="Reading the log" /> segment {current - min} of {max - min}
        </div>
      ) : null}
    </div>
  );
}

function titleFor(url: string) {
  const path = (url.split("?")[0] as string).slice(basePath.length);
  const title = pages.find((page) => page.path === path)?.title;
  document.title = title ? `${title} · Gauntlet` : "Gauntlet";
}

function Nav() {
  const { path } = useLocation();
  const [unfolded, setUnfolded] = useState(false);
  useEffect(() => setUnfolded(false), [path]);
  const shown = pages.filter((page) => has(page.path));
  const groups = [...new Set(shown.map((page) => page.group))];
  const bad = troubles.value.some((part) => part.state === "bad");
  return (
    <nav class={`nav ${unfolded ? "unfolded" : ""}`} aria-label="Pages">
      <div class="row spread">
        <a class="brand" href={address("overview")}>
          <img src={address("favicon.svg")} width="20" height="20" alt="" /> Gauntlet
        </a>
        <button type="button" class="menu" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
          Pages
        </button>
      </div>
      <div class="items">
        <button type="button" class="goto" onClick={() => (paletteOpen.value = true)}>
          Go to … <kbd>/</kbd>
        </button>
        {groups.map((group) => (
          <div key={group}>
            <div class="group" id={`nav-${group}`}>
              {group}
            </div>
            {shown
              .filter((page) => page.group === group)
              .map((page) => (
                <a key={page.path} class="item" href={address(page.path)} aria-current={path === address(page.path) ? "page" : undefined}>
                  {page.title}
                  {page.path === "overview" && troubles.value.length > 0 ? (
                    <span class={`badge ${bad ? "bad" : "warn"}`} title="parts that need attention">
                      {troubles.value.length}
                    </span>
                  ) : null}
                </a>
              ))}
          </div>
        ))}
        <div class="foot">
          <label>
            Theme
            <select value={theme.value} onChange={(e) => (theme.value = e.currentTarget.value as typeof theme.value)}>
              <option value="system">system</option>
              <option value="light">light</option>
              <option value="dark">dark</option>
            </select>
          </label>
          <label>
            Times
            <select value={zone.value} onChange={(e) => (zone.value = e.currentTarget.value as typeof zone.value)}>
              <option value="local">local</option>
              <option value="utc">UTC</option>
            </select>
          </label>
          <span>{overview.value ? `${overview.value.role}, version ${overview.value.version}` : "\u00a0"}</span>
        </div>
      </div>
    </nav>
  );
}

/** Old addresses of the peers, and the pages that show one answer of the server. What a name means is the role's to say. */
function Elsewhere() {
  const { path } = useLocation();
  const what = path.slice(basePath.length);
  const to = moved[what];
  if (to !== undefined) return <Go to={to} />;
  if (![...ofAlerts, "alerts", "config", "build"].includes(what)) return <Status />;
  // These are other pages on a server of alerts.
  if (overview.value === undefined) return <Unknown />;
  return overview.value.role === "alertmanager" ? <Alertmanager /> : <Status />;
}

/** The first page of the role. */
function Home() {
  const first = overview.value?.pages[0];
  return first === undefined ? <Unknown /> : <Go to={first} />;
}

/** Until the server has said what it is. */
function Unknown() {
  return overviewError.value ? (
    <>
      <h1>No answer</h1>
      <div class="notice bad" role="alert">
        {overviewError.value}
      </div>
    </>
  ) : (
    <Loading what="the server" />
  );
}

function Go({ to }: { to: string }) {
  const { route, url } = useLocation();
  useEffect(() => route(address(to) + (url.includes("?") ? url.slice(url.indexOf("?")) : ""), true), []);
  return null;
}

function NotFound() {
  return (
    <div>
      <h1>No such page</h1>
      <p>
        Nothing is served at <code>{location.pathname}</code>. <a href={address("")}>The first page</a> is a good place to start.
      </p>
    </div>
  );
}
