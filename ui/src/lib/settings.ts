// Choices of the person at the screen, kept in this browser.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

function stored<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  const value = localStorage.getItem(`gauntlet.${key}`) as T | null;
  return value !== null && allowed.includes(value) ? value : otherwise;
}

export const theme = signal<Theme>(stored("theme", ["system", "light", "dark"], "system"));
export const zone = signal<"local" | "utc">(stored("zone", ["local", "utc"], "local"));

effect(() => {
  localStorage.setItem("gauntlet.theme", theme.value);
  const root = document.documentElement;
  if (theme.value === "system") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme.value);
});

effect(() => {
  localStorage.setItem("gauntlet.zone", zone.value);
});
