// What every page owes to people with a keyboard, a screen reader or weak eyes: names, unique ids, order of headings, contrast.
import type { Page } from "playwright-core";

/** Problems as text, one a line; empty when there are none. */
export function accessibilityProblems(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const problems: string[] = [];
    const show = (element: Element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${(element.textContent ?? "").trim().slice(0, 40)}`;
    const visible = (element: Element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && element.getClientRects().length > 0;

    // Names of what can be used.
    for (const element of document.querySelectorAll("button, a[href], input, select, textarea, summary, [role=img], [role=table], dialog, nav")) {
      if (!visible(element)) continue;
      const labelled = element.getAttribute("aria-labelledby");
      const label = element instanceof HTMLInputElement || element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement ? [...(element.labels ?? [])].map((l) => l.textContent).join("") : "";
      const name = element.getAttribute("aria-label") ?? (labelled ? document.getElementById(labelled)?.textContent : "") ?? "";
      const own = /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName) || ["img", "table"].includes(element.getAttribute("role") ?? "") ? "" : element.textContent;
      if (`${name}${label}${own ?? ""}${element.getAttribute("title") ?? ""}`.trim() === "") problems.push(`no name: ${show(element)}`);
    }
    // Ids are unique, one main, one h1, no level of headings skipped.
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    for (const id of new Set(ids.filter((one, i) => ids.indexOf(one) !== i))) problems.push(`id twice: ${id}`);
    if (document.querySelectorAll("main").length !== 1) problems.push("not one main");
    if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
    let level = 0;
    for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
      const own = Number(heading.tagName[1]);
      if (own > level + 1) problems.push(`heading skips a level: ${show(heading)}`);
      level = own;
    }
    if (document.documentElement.lang === "") problems.push("no language");
    // Roles have the parents they need.
    for (const [child, parent] of [["row", "table"], ["cell", "row"], ["columnheader", "row"], ["tab", "tablist"], ["option", "listbox"]] as const) {
      for (const element of document.querySelectorAll(`[role=${child}]`)) if (!element.closest(`[role=${parent}]`)) problems.push(`${child} outside of ${parent}: ${show(element)}`);
    }
    // Contrast of text, 4.5:1, or 3:1 where it is large.
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const rgb = (colours: string[]) => {
      if (!context) return [0, 0, 0];
      context.clearRect(0, 0, 1, 1);
      for (const one of colours) {
        context.fillStyle = one;
        context.fillRect(0, 0, 1, 1);
      }
      return [...context.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (parts: number[]) => {
      const [r = 0, g = 0, b = 0] = parts.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const seen = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!element || (node.textContent ?? "").trim() === "" || !visible(element) || element.closest(":disabled, .skip, script, datalist, option")) continue;
      const style = getComputedStyle(element);
      const behind: string[] = [];
      for (let one: Element | null = element; one; one = one.parentElement) behind.unshift(getComputedStyle(one).backgroundColor);
      const key = `${style.color} ${behind.join()} ${style.fontSize}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const base = ["white", ...behind];
      const [a, b] = [luminance(rgb([...base, style.color])), luminance(rgb(base))].sort((x, y) => y - x) as [number, number];
      const ratio = (a + 0.05) / (b + 0.05);
      const large = Number.parseFloat(style.fontSize) >= 24;
      if (ratio < (large ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)}: ${show(element)} ${style.color}`);
    }
    return problems;
  });
}
