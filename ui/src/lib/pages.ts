// The pages, in the order of the navigation. A role shows those that its overview lists.

export interface Page {
  /** Path below the base, without a slash at either end. */
  path: string;
  title: string;
  group: "Explore" | "Collect" | "State";
}

export const pages: readonly Page[] = [
  { path: "query", title: "Query", group: "Explore" },
  { path: "alerts", title: "Alerts", group: "Explore" },
  { path: "rules", title: "Rules", group: "Explore" },
  { path: "silences", title: "Silences", group: "Explore" },
  { path: "targets", title: "Targets", group: "Collect" },
  { path: "discovery", title: "Discovery", group: "Collect" },
  { path: "overview", title: "Overview", group: "State" },
  { path: "storage", title: "Storage", group: "State" },
  { path: "stores", title: "Stores", group: "State" },
  { path: "blocks", title: "Blocks", group: "State" },
  { path: "flags", title: "Flags", group: "State" },
  { path: "config", title: "Configuration", group: "State" },
  { path: "log", title: "Log", group: "State" },
];
