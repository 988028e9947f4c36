// Colours of lines and cells. Canvas knows no CSS variables, so they are computed here for the theme in force.
import { computed, effect, signal } from "@preact/signals";
import { theme } from "./settings";

const query = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : undefined;
const systemDark = signal(query?.matches ?? false);
query?.addEventListener("change", (event) => {
  systemDark.value = event.matches;
});

export const dark = computed(() => (theme.value === "system" ? systemDark.value : theme.value === "dark"));

// What a canvas holds was painted for the theme; the style of printed pages, which are always light, turns it round.
effect(() => {
  document.documentElement.toggleAttribute("data-dark", dark.value);
});

/** Colour of the line `index`: hues by the golden angle, so that neighbours differ and the sequence never ends. */
export function lineColour(index: number, isDark: boolean, alpha = 1): string {
  const hue = (index * 137.508 + 255) % 360;
  const light = (isDark ? 76 : 57) - (index % 3) * 5;
  return `oklch(${light}% 0.15 ${hue.toFixed(1)}${alpha < 1 ? ` / ${alpha}` : ""})`;
}

/** Colour of a heat map's cell; `heat` is between 0 and 1. */
export function heatColour(heat: number, isDark: boolean): string {
  const light = isDark ? 30 + 62 * heat : 94 - 66 * heat;
  const hue = isDark ? 290 - 190 * heat : 225 + 65 * heat;
  return `oklch(${light.toFixed(1)}% ${(0.04 + 0.13 * heat).toFixed(3)} ${hue.toFixed(0)})`;
}

/** Value of a CSS variable, as canvas takes it. */
export function token(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const out = getComputedStyle(probe).color;
  probe.remove();
  return out;
}
