// Go anywhere by keyboard: `/` or Ctrl-K opens, typing filters, Enter goes. What is no page can be run as an expression.
import { signal } from "@preact/signals";
import { useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";
import { address } from "../lib/base";
import { emptyPanel, writePanels } from "../lib/panels";
import { pages } from "../lib/pages";
import { has } from "../lib/role";
import { theme, zone } from "../lib/settings";
import { type Entry, Picker } from "./picker";

export const paletteOpen = signal(false);

function isTyping(event: Event): boolean {
  // The editor lives in a shadow tree: only the path tells where the key went.
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function Palette() {
  const { route } = useLocation();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const asked = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !event.ctrlKey && !event.metaKey && !isTyping(event));
      if (!asked) return;
      event.preventDefault();
      paletteOpen.value = true;
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  if (!paletteOpen.value) return null;
  const entries: Entry[] = [
    ...pages.filter((page) => has(page.path)).map((page) => ({ key: page.path, title: page.title, kind: page.group })),
    { key: "!theme", title: theme.value === "dark" ? "Light theme" : "Dark theme", kind: "Setting" },
    { key: "!zone", title: zone.value === "utc" ? "Local times" : "Times in UTC", kind: "Setting" },
    { key: "!metrics", title: "Metrics of this process", kind: "/metrics" },
  ];
  return (
    <Picker
      label="Go to a page"
      placeholder={`Go to a page, or type ${has("query") ? "an expression to run it" : "what to look for in alerts"}`}
      entries={entries}
      typed={(text) => {
        if (text === "") return [];
        if (has("query")) return [{ key: "!run", title: text, kind: "Run as a query", mono: true }];
        return has("alerts") ? [{ key: "!find", title: text, kind: "Find in alerts" }] : [];
      }}
      onClose={() => {
        paletteOpen.value = false;
      }}
      onPick={(entry) => {
        if (entry.key === "!theme") theme.value = theme.value === "dark" ? "light" : "dark";
        else if (entry.key === "!zone") zone.value = zone.value === "utc" ? "local" : "utc";
        else if (entry.key === "!metrics") location.assign(address("metrics"));
        else if (entry.key === "!run") route(`${address("query")}?${writePanels([{ ...emptyPanel, expr: entry.title }])}`);
        else if (entry.key === "!find") route(`${address("alerts")}?text=${encodeURIComponent(entry.title)}`);
        else route(address(entry.key));
      }}
    />
  );
}
