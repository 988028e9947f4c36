// Where the app lives: the route prefix, from the page's <base>. The server writes it relative to the page, so that any proxy in
// between may add a prefix of its own. Dev servers leave the mark in place; then it is the root.
const element = document.querySelector("base");
const raw = element?.getAttribute("href") ?? "/";

/** Path of the app with a slash at its end. */
export const basePath = raw.includes("__GAUNTLET") ? "/" : new URL(raw, location.href).pathname;
// Made absolute once: a relative base would move along when the address changes.
element?.setAttribute("href", basePath);

/** Address of a path of this host, which begins without a slash. */
export function address(path: string): string {
  return basePath + path;
}
