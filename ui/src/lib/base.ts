// Where the app lives: the route prefix, from the page's <base>. Dev servers leave the mark in place; then it is the root.
const raw = document.querySelector("base")?.getAttribute("href") ?? "/";

/** Path of the app with a slash at its end. */
export const basePath = raw.includes("__GAUNTLET") ? "/" : new URL(raw, location.href).pathname;

/** Address of a path of this host, which begins without a slash. */
export function address(path: string): string {
  return basePath + path;
}
