// The pages, in the order of the navigation. A role shows those that its overview lists.

export interface Page {
  /** Path below the base, without a slash at either end. */
  path: string;
  title: string;
  group: "Explore" | "Alerting" | "Collect" | "State";
}

export const pages: readonly Page[] = [
  { path: "query", title: "Query", group: "Explore" },
  { path: "alerts", title: "Alerts", group: "Alerting" },
  { path: "rules", title: "Rules", group: "Alerting" },
  { path: "silences", title: "Silences", group: "Alerting" },
  { path: "ledger", title: "Ledger", group: "Alerting" },
  { path: "routes", title: "Routes", group: "Alerting" },
  { path: "targets", title: "Targets", group: "Collect" },
  { path: "discovery", title: "Discovery", group: "Collect" },
  { path: "overview", title: "Overview", group: "State" },
  { path: "cluster", title: "Cluster", group: "State" },
  { path: "storage", title: "Storage", group: "State" },
  { path: "stores", title: "Stores", group: "State" },
  { path: "blocks", title: "Blocks", group: "State" },
  { path: "flags", title: "Flags", group: "State" },
  { path: "config", title: "Configuration", group: "State" },
  { path: "build", title: "Build", group: "State" },
  { path: "log", title: "Log", group: "State" },
];

/** Pages of the role `alertmanager` alone, which no other role's navigation promises. */
export const ofAlerts: readonly string[] = ["silences", "ledger", "routes", "cluster"];

/** Pages that every role has, whatever its overview lists. */
export const everywhere: readonly string[] = ["build"];

/** Where older pages of the peers lived. */
export const moved: Readonly<Record<string, string>> = {
  graph: "query",
  classic: "query",
  tsdb: "storage",
  "tsdb-status": "storage",
  status: "overview",
  "service-discovery": "discovery",
  "runtime-info": "build",
};
