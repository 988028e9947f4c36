// What a page shows is in its address. Setting a choice replaces the entry of the browser's history; links make new ones.
import { useLocation } from "preact-iso";
import { useMemo } from "preact/hooks";
import { address } from "../../lib/base";
import { type Matcher, matchersText } from "./matchers";

export type Changes = Record<string, string | undefined>;

/** Parameters of the address, and a way to change some of them; an empty value takes the parameter out. */
export function usePlace(): [place: URLSearchParams, change: (changes: Changes) => void] {
  const { url, path, route } = useLocation();
  const at = url.indexOf("?");
  const query = at < 0 ? "" : url.slice(at + 1);
  const place = useMemo(() => new URLSearchParams(query), [query]);
  const change = (changes: Changes) => {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined || value === "") next.delete(name);
      else next.set(name, value);
    }
    const text = next.toString();
    if (text !== query) route(path + (text === "" ? "" : `?${text}`), true);
  };
  return [place, change];
}

/** Address of a page with parameters; empty ones are left out. */
export function link(page: string, parameters: Changes = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  const text = query.toString();
  return address(page) + (text === "" ? "" : `?${text}`);
}

/** Where a silence of these matchers is made. */
export function silenceLink(matchers: readonly Matcher[], comment?: string): string {
  return link("silences", { new: matchersText(matchers) || "{}", comment });
}
