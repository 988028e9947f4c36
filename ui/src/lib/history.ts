// Expressions that were run, kept in this browser, newest first.

const KEY = "gauntlet.history";
const MOST = 200;

export function readHistory(): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(list) ? list.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

export function remember(expr: string): void {
  if (expr === "") return;
  const list = [expr, ...readHistory().filter((one) => one !== expr)].slice(0, MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify(list));
  } catch {
    // A full or forbidden store costs the history, nothing else.
  }
}
