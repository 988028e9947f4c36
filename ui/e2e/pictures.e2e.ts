// Pictures of every page, light and dark, narrow and on paper, kept in e2e/artefacts to be looked at.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./a11y";
import { artefacts, launch, missing, watched } from "./browser";
import { index, startFake } from "./fake";

const skip = missing(["ui/dist (npm run build)", index]);
const PAGES: [name: string, path: string, role: "server" | "query"][] = [
  ["query-empty", "query", "server"],
  ["query-table", "query?g0.expr=http_requests_total", "server"],
  ["query-graph", "query?g0.expr=sum+by+(job)+(rate(http_requests_total[5m]))&g0.tab=graph&g0.show_exemplars=1", "server"],
  ["query-stacked", "query?g0.expr=rate(http_requests_total[5m])&g0.tab=graph&g0.display_mode=stacked&g0.range_input=6h", "server"],
  ["query-heat", "query?g0.expr=rate(request_seconds[5m])&g0.tab=graph&g0.display_mode=heatmap", "server"],
  ["query-histogram", "query?g0.expr=request_seconds&g1.expr=sum(", "server"],
  ["query-explain", "query?g0.expr=sum+by+(job)+(rate(x[5m]))+/+2&g0.tab=explain&g0.explain_range=1", "server"],
  ["query-role", "query?g0.expr=partial&g0.deduplicate=0", "query"],
  ["targets", "targets", "server"],
  ["targets-dropped", "targets?state=dropped", "server"],
  ["discovery", "discovery", "server"],
  ["rules", "rules", "server"],
  ["alerts", "alerts", "server"],
  ["overview", "overview", "server"],
  ["storage", "storage", "server"],
  ["stores", "stores", "query"],
  ["flags", "flags?filter=flag-1", "server"],
  ["config", "config?filter=job7", "server"],
  ["build", "build", "server"],
  ["log", "log", "server"],
];

/** What opens only when asked to. */
const ACTS: [name: string, path: string, act: (page: Page) => Promise<void>][] = [
  ["open-palette", "overview", (page) => page.keyboard.press("/")],
  ["open-metrics", "query", (page) => page.getByRole("button", { name: "Metrics" }).click()],
  [
    "open-completion",
    "query",
    async (page) => {
      await page.locator(".cm-content").click();
      await page.keyboard.type("sum(rate(http_r", { delay: 20 });
      await page.locator(".cm-tooltip-autocomplete").waitFor();
    },
  ],
  ["open-target", "targets", (page) => page.locator("summary").nth(4).click()],
  [
    "open-explain",
    "query?g0.expr=sum+by+(job)+(rate(x[5m]))+/+2&g0.tab=explain",
    async (page) => {
      await page.getByRole("button", { name: "Run and measure" }).click();
      await page.getByRole("row").nth(3).hover();
      await page.locator("mark").waitFor();
    },
  ],
  [
    "open-tip",
    "query?g0.expr=rate(http_requests_total[5m])&g0.tab=graph",
    async (page) => {
      const box = await page.locator(".graph .u-over").boundingBox();
      if (box) await page.mouse.move(box.x + box.width * 0.6, box.y + 150);
    },
  ],
];

describe.skipIf(skip !== undefined)("pictures", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  for (const [look, options] of [
    ["light", { colorScheme: "light" as const }],
    ["dark", { colorScheme: "dark" as const }],
    ["narrow", { colorScheme: "light" as const, viewport: { width: 360, height: 780 } }],
  ] as const) {
    test(look, async () => {
      const problems: string[] = [];
      for (const role of ["server", "query"] as const) {
        const fake = await startFake({ role, series: 12 });
        const { context, page, faults, settled } = await watched(browser, fake.host, options, /query=sum(\(|%28)$|query=sum%28&/);
        for (const [name, path] of PAGES.filter(([, , of]) => of === role)) {
          await page.goto(`${fake.url}/${path}`);
          await settled();
          await page.screenshot({ path: `${artefacts}${name}-${look}.png` });
          problems.push(...(await accessibilityProblems(page)).map((text) => `${name}: ${text}`));
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (over > 0) problems.push(`${name}: ${over} px wider than the window`);
        }
        for (const [name, path, act] of role === "server" ? ACTS : []) {
          await page.goto(`${fake.url}/${path}`);
          await settled();
          await act(page);
          await settled();
          await page.screenshot({ path: `${artefacts}${name}-${look}.png` });
          problems.push(...(await accessibilityProblems(page)).map((text) => `${name}: ${text}`));
        }
        problems.push(...faults);
        await context.close();
        await fake.stop();
      }
      expect(problems).toEqual([]);
    });
  }

  test("print", async () => {
    const fake = await startFake({ series: 12, targets: 300 });
    // The width of A4; what was dark on the screen is printed light.
    const { context, page, faults, settled } = await watched(browser, fake.host, { colorScheme: "dark", viewport: { width: 794, height: 1123 } });
    for (const name of ["query-table", "query-graph", "query-heat", "query-explain", "targets", "overview", "storage"]) {
      const path = PAGES.find(([one]) => one === name)?.[1];
      await page.emulateMedia({ media: "screen", colorScheme: "dark" });
      await page.goto(`${fake.url}/${path}`);
      await settled();
      const onScreen = await page.getByRole("row").count();
      // As the browser does it: the event, then the style of print.
      await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
      await page.emulateMedia({ media: "print", colorScheme: "light" });
      expect(await page.getByRole("navigation").isVisible()).toBe(false);
      if (name === "targets") {
        expect(onScreen).toBeLessThan(60);
        expect(await page.getByRole("row").count(), "all rows are printed").toBe(301);
      }
      await page.screenshot({ path: `${artefacts}${name}-print.png`, fullPage: true });
      await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    }
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });
});
