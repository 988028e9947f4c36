// The app over the real binary with much to show: 5,000 targets, 500 series, exemplars, plans, a cluster of which a part is missing.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./a11y";
import { binary } from "./binary";
import { artefacts, launch, missing, watched } from "./browser";
import { REFUSED, startWorld, TARGETS, WAVES, type World } from "./world";

const skip = missing(["the binary (GAUNTLET_BIN)", binary]);

describe.skipIf(skip !== undefined)("the binary with much to show", () => {
  let browser: Browser;
  let world: World;

  beforeAll(async () => {
    [browser, world] = await Promise.all([launch(), startWorld()]);
    // Until there are two scrapes to compute a rate from.
    const asked = () => fetch(`${world.server.url}/api/v1/query?query=${encodeURIComponent("rate(requests_total[10s])")}`).then((answer) => answer.text());
    while (!(await asked()).includes("code")) await new Promise((resolve) => setTimeout(resolve, 100));
  });
  afterAll(async () => {
    await browser?.close();
    await world?.stop();
  });
  const open = (host: string, refused?: RegExp) => watched(browser, host, { permissions: ["clipboard-read", "clipboard-write"] }, refused);

  test("5,000 targets: few rows in the document, filtered by the server, with the course of each", async () => {
    const { server } = world;
    const { context, page, faults, settled } = await open(server.host);
    await page.goto(`${server.url}/targets`);
    await page.getByRole("button", { name: `Active ${TARGETS}` }).waitFor();
    const rows = await page.getByRole("row").count();
    console.log(`5,000 targets of the binary: ${rows} rows in the document, ${await page.evaluate(() => document.querySelectorAll("*").length)} elements`);
    expect(rows).toBeLessThan(60);
    // What fails comes first, with its cause.
    await page.getByText("What to do").first().waitFor();
    await page.getByLabel("Scrape pool").selectOption("refused");
    await page.getByRole("button", { name: `Down ${REFUSED}` }).waitFor();
    await page.getByLabel("Scrape pool").selectOption("");
    const searched = page.waitForResponse((answer) => answer.url().includes("search=127.1.9.7"));
    await page.getByLabel("Filter by label, address or error").fill('127.1.9.7: fleet="EAST"');
    const found = (await (await searched).json()) as { data: { activeTargets: unknown[] } };
    expect(found.data.activeTargets.length).toBe(1);
    await page.getByText("1 shown").waitFor();
    // Scraped every two seconds: there is a course to be seen.
    await page.getByLabel("Filter by label, address or error").fill("127.1.0.7: refused");
    await page.getByRole("row").filter({ hasText: "127.1.0.7:1" }).locator("summary").click();
    await page.getByText("begun late").waitFor();
    await settled();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByRole("button", { name: /^Dropped/ }).click();
    await page.getByText("No dropped target matches the filter.").waitFor();
    await page.getByLabel("Filter by label, address or error").fill("(drop)");
    await page.getByRole("row").filter({ hasText: "127.1.0.99" }).filter({ hasText: "relabel rule 1" }).waitFor();
    await page.goto(`${server.url}/discovery?filter=127.1.0.9`);
    await page.getByRole("row").filter({ hasText: "relabel rule 1" }).waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  test("500 series of 1,000 points are drawn from the binary's answer", async () => {
    const { server } = world;
    const { context, page, faults, settled } = await open(server.host);
    await page.goto(`${server.url}/query?g0.expr=wave+@+end()+%2B+time()+%25+300&g0.tab=graph&g0.range_input=1000s&g0.res_step=1s`);
    const graph = page.locator(".graph[data-drawn-ms]");
    await graph.waitFor();
    const asked = await page.evaluate(() => performance.getEntriesByType("resource").findLast((entry) => entry.name.includes("query_range"))?.toJSON() as { requestStart: number; responseEnd: number; encodedBodySize: number });
    const at = Number(await graph.getAttribute("data-drawn-at"));
    console.log(
      `500 series x 1,000 points of the binary: ${(asked.responseEnd - asked.requestStart).toFixed(0)} ms to the answer's last byte (${asked.encodedBodySize} bytes), drawn ${(at - asked.responseEnd).toFixed(0)} ms later; building and drawing alone took ${await graph.getAttribute("data-drawn-ms")} ms`,
    );
    await page.getByText(`${WAVES} series, step 1s`).waitFor();
    await page.getByRole("button", { name: "Order: as sent" }).click();
    await page.getByRole("button", { name: "Order: largest first" }).waitFor();
    await page.locator(".legend .entry").nth(2).click({ modifiers: ["Control"] });
    await page.getByText(`${WAVES - 1} hidden`).waitFor();
    await page.getByRole("button", { name: "Raw values" }).click();
    await page.getByRole("button", { name: "Copy CSV" }).click();
    const csv = (await page.evaluate(() => navigator.clipboard.readText())).split("\n");
    expect(csv.length).toBe(1002);
    expect(csv[0]).toMatch(/^time,/);
    await settled();
    await page.screenshot({ path: `${artefacts}binary-500.png` });
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(faults).toEqual([]);
    await context.close();
  });

  test("exemplars are marked on the graph and tell their labels", async () => {
    const { server } = world;
    const { context, page, faults } = await open(server.host);
    await page.goto(`${server.url}/query?g0.expr=rate(requests_total[10s])&g0.tab=graph&g0.range_input=1m&g0.res_step=1s`);
    const asked = page.waitForResponse((answer) => answer.url().includes("query_exemplars"));
    await page.getByRole("button", { name: "Exemplars" }).click();
    await asked;
    await page.locator(".graph[data-drawn-ms]").waitFor();
    const box = await page.locator(".graph .u-over").boundingBox();
    const tip = page.locator(".tip").getByText('trace_id="4bf92f3577b34da6"');
    for (let x = (box?.width ?? 0) - 2; x > 0 && !(await tip.isVisible()); x -= 5) {
      await page.mouse.move((box?.x ?? 0) + x, (box?.y ?? 0) + 5);
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
    await tip.waitFor();
    await page.screenshot({ path: `${artefacts}binary-exemplars.png` });
    expect(faults).toEqual([]);
    await context.close();
  });

  test("a plan is explained, and measured by a run", async () => {
    const { server } = world;
    const { context, page, faults, settled } = await open(server.host, /query=sum%28(&|$)/);
    await page.goto(`${server.url}/query?g0.expr=sum by (code) (rate(requests_total[10s])) / 2`);
    await page.getByRole("tab", { name: "Explain" }).click();
    const row = (text: string) => page.getByRole("table").getByRole("row").filter({ hasText: text });
    await row("window rate").waitFor();
    expect(await page.getByRole("columnheader", { name: "CPU" }).count()).toBe(0);
    await page.getByRole("button", { name: "Run and measure" }).click();
    await page.getByText("Peak of memory").waitFor();
    await page.getByRole("columnheader", { name: "CPU" }).waitFor();
    await row("window rate").hover();
    expect(await page.locator("mark").textContent()).toBe("rate(requests_total[10s])");
    await page.getByText('{__name__="requests_total"}').waitFor();
    await page.getByRole("button", { name: "Over the range" }).click();
    await page.getByText(/\d+ steps of 15s/).waitFor();
    await settled();
    await page.screenshot({ path: `${artefacts}binary-explain.png` });
    expect(await accessibilityProblems(page)).toEqual([]);
    // What does not parse is said here as on the other tabs.
    await page.goto(`${server.url}/query?g0.expr=sum(&g0.tab=explain`);
    await page.getByRole("alert").filter({ hasText: "unclosed left parenthesis" }).waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  test("classic histograms are a heat map", async () => {
    const { server } = world;
    const { context, page, faults } = await open(server.host);
    await page.goto(`${server.url}/query?g0.expr=rate(latency_seconds_bucket[10s])&g0.tab=graph&g0.display_mode=heatmap&g0.range_input=1m`);
    await page.getByRole("img", { name: /Heat map of 6 buckets/ }).waitFor();
    await page.goto(`${server.url}/query?g0.expr=wave&g0.tab=graph&g0.display_mode=heatmap&g0.range_input=1m`);
    await page.getByText("A heat map needs histograms").waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  test("metrics have their types and help, times their zone", async () => {
    const { server } = world;
    const { context, page, faults } = await open(server.host);
    await page.goto(`${server.url}/query`);
    await page.getByRole("button", { name: "Metrics" }).click();
    await page.getByRole("combobox", { name: "Search metrics" }).fill("that were served");
    await page.getByRole("option", { name: /requests_total.*counter/ }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("row").filter({ hasText: 'code="404"' }).waitFor();
    await page.goto(`${server.url}/overview`);
    const since = page.getByText(/since \d{4}-/);
    expect(await since.textContent()).not.toMatch(/since [^;]*Z;/);
    await page.getByLabel("Times").selectOption("utc");
    expect(await since.textContent()).toMatch(/since [^;]*Z;/);
    expect(faults).toEqual([]);
    await context.close();
  });

  test("where bytes are is told by the storage page", async () => {
    const { server } = world;
    const { context, page, faults } = await open(server.host);
    await page.goto(`${server.url}/storage`);
    await page.getByRole("heading", { name: "Bytes on disk" }).waitFor();
    await page.getByRole("heading", { name: "Memory of the head" }).waitFor();
    await page.getByRole("link", { name: "wave" }).first().click();
    await page.waitForURL(/g0.expr/);
    expect(faults).toEqual([]);
    await context.close();
  });

  test("over a cluster of which a part is missing, every answer says so", async () => {
    const { query, dead, alive } = world;
    const { context, page, faults, settled } = await open(query.host, /\/api\/v1\/metadata/);
    await page.goto(`${query.url}/stores`);
    const row = page.getByRole("row").filter({ hasText: dead });
    await row.getByText("What to do").waitFor();
    await page.getByRole("row").filter({ hasText: alive }).filter({ hasText: 'replica="a"' }).waitFor();
    await page.screenshot({ path: `${artefacts}binary-stores.png` });
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.goto(`${query.url}/query?g0.expr=up{job="app"}`);
    await page.getByRole("row").filter({ hasText: 'job="app"' }).waitFor();
    await page.getByText("incomplete: 1 of 2 stores down").waitFor();
    await page.getByText("Stores: all").click();
    await page.getByLabel(alive).check();
    await page.getByText("complete: one store").waitFor();
    await page.getByText("Stores: 1 chosen").waitFor();
    expect(new URL(page.url()).searchParams.get("g0.store_matches")).toContain(alive);
    await settled();
    await page.screenshot({ path: `${artefacts}binary-query-stores.png` });
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Metrics" }).click();
    await page.getByText("types and help are not known here").waitFor();
    await page.goto(`${query.url}/overview`);
    await page.getByRole("heading", { name: "Needs attention" }).waitFor();
    await page.getByText(dead).first().waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });
});
