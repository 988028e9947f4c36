// The frame: navigation, the page that the address names, the command palette.
import { LocationProvider, lazy, Route, Router, useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";
import { Palette } from "./components/palette";
import { address, basePath } from "./lib/base";
import { pages } from "./lib/pages";
import { has, overview, refreshOverview } from "./lib/role";
import { theme, zone } from "./lib/settings";

const Query = lazy(() => import("./pages/query").then((m) => m.QueryPage));
const Targets = lazy(() => import("./pages/targets").then((m) => m.TargetsPage));
const Overview = lazy(() => import("./pages/overview").then((m) => m.OverviewPage));
const Status = lazy(() => import("./pages/status").then((m) => m.StatusPage));

export function App() {
  useEffect(() => {
    void refreshOverview();
    const timer = setInterval(() => void refreshOverview(), 15_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <LocationProvider>
      <div class="shell">
        <Nav />
        <main class="main" id="main">
          <Router>
            <Route path={address("query")} component={Query} />
            <Route path={address("graph")} component={Query} />
            <Route path={address("targets")} component={Targets} />
            <Route path={address("overview")} component={Overview} />
            <Route path={address(":what")} component={Status} />
            <Route path={basePath} component={Home} />
            <Route default component={NotFound} />
          </Router>
        </main>
      </div>
      <Palette />
    </LocationProvider>
  );
}

function Nav() {
  const { path } = useLocation();
  const shown = pages.filter((page) => has(page.path));
  const groups = [...new Set(shown.map((page) => page.group))];
  return (
    <nav class="nav" aria-label="Pages">
      <a class="brand" href={address("overview")}>
        <img src={address("favicon.svg")} width="20" height="20" alt="" /> Gauntlet
      </a>
      <div class="items">
        {groups.map((group) => (
          <div key={group}>
            <div class="group">{group}</div>
            {shown
              .filter((page) => page.group === group)
              .map((page) => (
                <a
                  key={page.path}
                  class="item"
                  href={address(page.path)}
                  aria-current={path === address(page.path) ? "page" : undefined}
                >
                  {page.title}
                </a>
              ))}
          </div>
        ))}
      </div>
      <div class="foot">
        <span>{overview.value ? `${overview.value.role} ${overview.value.version}` : ""}</span>
        <label>
          Theme{" "}
          <select
            value={theme.value}
            onChange={(e) => {
              theme.value = e.currentTarget.value as typeof theme.value;
            }}
          >
            <option value="system">system</option>
            <option value="light">light</option>
            <option value="dark">dark</option>
          </select>
        </label>
        <label>
          Times{" "}
          <select
            value={zone.value}
            onChange={(e) => {
              zone.value = e.currentTarget.value as typeof zone.value;
            }}
          >
            <option value="local">local</option>
            <option value="utc">UTC</option>
          </select>
        </label>
        <span>
          <kbd>/</kbd> go to …
        </span>
      </div>
    </nav>
  );
}

function Home() {
  const { route } = useLocation();
  useEffect(() => route(address("query"), true), []);
  return null;
}

function NotFound() {
  return (
    <div>
      <h1>No such page</h1>
      <p>
        Nothing is served at <code>{location.pathname}</code>. <a href={address("query")}>Query</a> is a good place to
        start.
      </p>
    </div>
  );
}
