// The app against a server with much of everything: what it costs, and that it stays right.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./a11y";
import { artefacts, firstPaint, launch, missing, watched } from "./browser";
import { index, startFake } from "./fake";

const skip = missing(["ui/dist (npm run build)", index]);

describe.skipIf(skip !== undefined)("at scale", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  test("5,000 targets are a few dozen rows of the document, filtered while typing", async () => {
    const fake = await startFake({ targets: 5000 });
    const { context, page, faults } = await watched(browser, fake.host);
    await page.goto(`${fake.url}/targets`);
    await page.getByRole("row").nth(5).waitFor();
    const rows = await page.getByRole("row").count();
    console.log(`5,000 targets: ${rows} rows in the document, ${await page.evaluate(() => document.querySelectorAll("*").length)} elements`);
    expect(rows).toBeLessThan(60);
    const body = page.locator(".vbody");
    await body.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await page.waitForFunction(() => [...document.querySelectorAll("[aria-rowindex]")].some((row) => Number(row.getAttribute("aria-rowindex")) === 5001));
    await page.getByLabel("Filter by label").fill("10.0.4.17: node");
    await page.waitForFunction(() => document.querySelectorAll("[aria-rowindex]").length <= 2);
    await page.getByRole("button", { name: /^Down/ }).click();
    await page.getByLabel("Filter by label").fill("");
    await page.getByText("What to do").first().waitFor();
    const address = page.url();
    await page.goto(address);
    await page.getByText("What to do").first().waitFor();
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });

  test("500 series of 1,000 points are drawn at once, with a legend that isolates", async () => {
    const fake = await startFake({ series: 500 });
    const { context, page, faults } = await watched(browser, fake.host);
    await page.goto(`${fake.url}/query?g0.expr=rate(http_requests_total[5m])&g0.tab=graph&g0.range_input=1000m&g0.res_step=1m`);
    const graph = page.locator(".graph[data-drawn-ms]");
    await graph.waitFor();
    const received = await page.evaluate(() => performance.getEntriesByType("resource").findLast((entry) => entry.name.includes("query_range"))?.toJSON().responseEnd as number);
    const after = Number(await graph.getAttribute("data-drawn-at")) - received;
    console.log(`500 series x 1,000 points: drawn in ${await graph.getAttribute("data-drawn-ms")} ms, ${after.toFixed(0)} ms after the answer's last byte`);
    expect(await page.locator(".legend .entry").count()).toBeLessThan(60);
    await page.getByLabel("Filter the legend").fill("10.0.1.44:8080");
    await page.getByRole("button", { name: "Show only these" }).click();
    await page.getByText("499 hidden").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    const canvas = page.locator(".graph .u-over");
    const box = await canvas.boundingBox();
    if (box) await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.locator(".tip").getByText("handler=").waitFor();
    const drawn = await page.locator("canvas.raised").evaluate((canvas) => (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, (canvas as HTMLCanvasElement).width, (canvas as HTMLCanvasElement).height).data.some((part) => part > 0));
    expect(drawn, "the line that is pointed at stands out").toBe(true);
    await page.screenshot({ path: `${artefacts}graph-500.png` });
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });

  test("a newer question aborts the older one", async () => {
    const fake = await startFake({ delayMs: 4000 });
    const { context, page } = await watched(browser, fake.host);
    await page.goto(`${fake.url}/query?g0.expr=slow`);
    await page.getByText("running for").waitFor();
    await page.getByRole("tab", { name: "Graph" }).click();
    await expect.poll(() => fake.aborted()).toBe(1);
    await page.getByRole("button", { name: "Cancel" }).click();
    await expect.poll(() => fake.aborted()).toBe(2);
    expect(await page.getByText("running for").count()).toBe(0);
    await context.close();
    await fake.stop();
  });

  test("histograms are a heat map, exemplars are marked", async () => {
    const fake = await startFake();
    const { context, page, faults } = await watched(browser, fake.host);
    await page.goto(`${fake.url}/query?g0.expr=rate(request_seconds[5m])&g0.tab=graph&g0.display_mode=heatmap`);
    await page.getByRole("img", { name: /Heat map of 20 buckets/ }).waitFor();
    await page.goto(`${fake.url}/query?g0.expr=http_requests_total&g0.tab=graph&g0.show_exemplars=1`);
    await page.locator(".graph[data-drawn-ms]").waitFor();
    expect(fake.asked.some((one) => one.startsWith("query_exemplars"))).toBe(true);
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });

  test("metrics are found by their help and go into the field", async () => {
    const fake = await startFake();
    const { context, page, faults } = await watched(browser, fake.host);
    await page.goto(`${fake.url}/query`);
    await page.getByRole("button", { name: "Metrics" }).click();
    await page.getByRole("combobox", { name: "Search metrics" }).fill("how long took");
    await page.keyboard.press("Enter");
    await page.waitForURL(/g0.expr=request_seconds/);
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("option", { name: "request_seconds" }).waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.keyboard.press("Escape");
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });

  test("what is typed before the editor has loaded is kept, and the cursor with it", async () => {
    const fake = await startFake();
    const { context, page, faults } = await watched(browser, fake.host);
    // The editor's code comes late, as over a slow line.
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route(/codemirror-/, async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${fake.url}/query?g0.expr=up`);
    const plain = page.locator("textarea.editor");
    await plain.click();
    await page.keyboard.press("End");
    await page.keyboard.type(" > ");
    release();
    await page.locator(".cm-content").waitFor();
    await page.keyboard.type("1");
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.searchParams.get("g0.expr") === "up > 1");
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });

  test("5,000 rules are filtered while typing, what fails comes first", async () => {
    const fake = await startFake({ rules: 5000 });
    const { context, page, faults } = await watched(browser, fake.host);
    await page.goto(`${fake.url}/rules`);
    await page.getByText("many-to-many").first().waitFor();
    expect(await page.getByRole("row").count()).toBeLessThan(60);
    await page.getByLabel("Filter by name").fill('diskfull4242 "/data4242"');
    await page.waitForFunction(() => document.querySelectorAll("[aria-rowindex]").length === 1);
    await page.getByRole("link", { name: /predict_linear/ }).click();
    await page.waitForURL(/g0.expr=predict_linear/);
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });

  test("a server that is starting says why and how far it is, on every page", async () => {
    const fake = await startFake({ starting: true });
    const { context, page, faults } = await watched(browser, fake.host);
    await page.goto(`${fake.url}/query`);
    await page.getByText("segment 42 of 80").waitFor();
    await page.screenshot({ path: `${artefacts}starting.png` });
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(faults).toEqual([]);
    await context.close();
    await fake.stop();
  });

  test("first paint is quick on every page", async () => {
    const fake = await startFake();
    for (const path of ["query", "targets", "overview", "storage"]) {
      const { context, page, settled } = await watched(browser, fake.host);
      const paints: number[] = [];
      for (let i = 0; i < 3; i++) {
        await page.goto(`${fake.url}/${path}`);
        await settled();
        paints.push(await firstPaint(page));
      }
      console.log(`first contentful paint of ${path}: ${paints.map((ms) => ms.toFixed(0)).join(", ")} ms`);
      await context.close();
    }
    await fake.stop();
  });
});
