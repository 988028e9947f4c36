// What every page owes to people with a keyboard, a screen reader or weak eyes: the rules of axe-core, read from disk, and what axe
// leaves out: one main, one h1, an order of focus that follows the page, a mark on what has the focus.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  id: string;
  help: string;
  nodes: { html: string; target: string[]; failureSummary?: string }[];
}

/** Problems as text, one a line; empty when there are none. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // Run by the debugger, which the page's policy does not bind.
  await page.evaluate(source);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (root: Document, options: object) => Promise<{ violations: Violation[] }> } };
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    return (await axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] })).violations;
  });
  const text = ({ id, help, nodes }: Violation) => nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")} ${node.html.slice(0, 120)} ${node.failureSummary?.split("\n").at(-1)?.trim() ?? ""}`);
  return [...found.flatMap(text), ...(await page.evaluate(ownProblems))];
}

function ownProblems(): string[] {
  const problems: string[] = [];
  if (document.querySelectorAll("main").length !== 1) problems.push("not one main");
  if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
  const show = (element: Element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${(element.textContent ?? "").trim().slice(0, 40)}`;
  for (const element of document.querySelectorAll("[tabindex]")) if (Number(element.getAttribute("tabindex")) > 0) problems.push(`its place in the order of focus is forced: ${show(element)}`);
  return problems;
}

/**
 * Walks the page by Tab, at most `most` stops: problems where the focus is not to be seen, jumps back in the document, or is caught.
 * Leaves the focus where the walk ended.
 */
export async function focusProblems(page: Page, most = 40): Promise<string[]> {
  const problems: string[] = [];
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  let before: string | undefined;
  for (let stop = 0; stop < most; stop++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement | null;
      if (!element || element === document.body) return undefined;
      const kept = window as unknown as { firstFocus?: Element; lastFocus?: Element };
      const last = kept.lastFocus;
      // All the way round.
      if (element === kept.firstFocus) return undefined;
      kept.firstFocus ??= element;
      kept.lastFocus = element;
      const box = element.getBoundingClientRect();
      const style = getComputedStyle(element);
      // The editor marks its frame instead of the field inside.
      const marked = style.outlineStyle !== "none" || style.boxShadow !== "none" || (element.closest(".editor:focus-within") !== null);
      return {
        text: `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${(element.textContent ?? "").trim().slice(0, 30)}`,
        seen: box.width > 0 && box.height > 0,
        marked,
        back: last !== undefined && last.isConnected && (last.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING) !== 0,
        same: last === element,
      };
    });
    if (at === undefined) break;
    if (!at.seen) problems.push(`has the focus but no size: ${at.text}`);
    if (!at.marked) problems.push(`has the focus but no mark: ${at.text}`);
    if (at.back && stop > 0) problems.push(`the focus jumps back to ${at.text} from ${before}`);
    if (at.same && stop > 0) problems.push(`the focus is caught in ${at.text}`);
    before = at.text;
  }
  return problems;
}
