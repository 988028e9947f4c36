// The app as the binary embeds it, each page driven as a person would.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems, focusProblems } from "./a11y";
import { binary, type Running, startProxy, startQuery, startServer } from "./binary";
import { artefacts, firstPaint, launch, missing, watched } from "./browser";

const skip = missing(["the binary (GAUNTLET_BIN)", binary]);

describe.skipIf(skip !== undefined)("the binary", () => {
  let browser: Browser;
  let server: Running;

  beforeAll(async () => {
    browser = await launch();
    server = await startServer();
    // Until the first scrape there is nothing to look at.
    const asked = () => fetch(`${server.url}/api/v1/query?query=prometheus_tsdb_head_series`).then((answer) => answer.text());
    while (!(await asked()).includes("instance")) await new Promise((resolve) => setTimeout(resolve, 100));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("answers at / with the query page, quickly", async () => {
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(server.url);
    await page.waitForURL(`${server.url}/query`);
    await page.getByRole("button", { name: "Run" }).waitFor();
    const paint = await firstPaint(page);
    console.log(`first contentful paint of the binary's query page: ${paint.toFixed(0)} ms`);
    expect(faults).toEqual([]);
    await context.close();
  });

  test("runs a query from the editor, as table and graph, and back by the browser's history", async () => {
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/query`);
    const field = page.locator(".cm-content");
    await field.waitFor();
    await field.click();
    await page.keyboard.type("prometheus_tsdb_head_ser");
    await page.getByRole("option", { name: "prometheus_tsdb_head_series", exact: false }).first().waitFor();
    await page.keyboard.press("Escape");
    await field.fill("up");
    await page.keyboard.press("Enter");
    await page.getByRole("row").filter({ hasText: 'job="refused"' }).waitFor();
    expect(new URL(page.url()).searchParams.get("g0.expr")).toBe("up");
    await page.getByRole("tab", { name: "Graph" }).click();
    await page.getByLabel("Step").fill("1s");
    await page.keyboard.press("Enter");
    await page.locator(".graph[data-drawn-ms]").waitFor();
    expect(new URL(page.url()).searchParams.get("g0.res_step")).toBe("1s");
    await page.locator(".legend .entry").first().click();
    expect(await page.locator(".legend .entry").first().getAttribute("aria-pressed")).toBe("false");
    await page.goBack();
    await page.goBack();
    await page.getByRole("table", { name: "Result" }).waitFor();
    await page.screenshot({ path: `${artefacts}binary-query.png` });
    expect(faults).toEqual([]);
    await context.close();
  });

  test("says where an expression is wrong", async () => {
    const { context, page, faults } = await watched(browser, server.host, {}, /query=sum/);
    await page.goto(`${server.url}/query?g0.expr=sum(up`);
    await page.getByRole("alert").filter({ hasText: "unclosed left parenthesis" }).waitFor();
    await page.locator(".cm-wrong").waitFor();
    expect(await page.locator(".cm-wrong").getAttribute("title")).toContain("unclosed left parenthesis");
    expect(faults).toEqual([]);
    await context.close();
  });

  test("shows why a target is down, and what relabelling dropped", async () => {
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/targets?state=down`);
    const row = page.getByRole("row").filter({ hasText: "127.0.0.1:1" });
    await row.getByText("What to do").waitFor();
    await row.locator("summary").click();
    await row.getByText("Before relabelling").waitFor();
    await page.getByRole("button", { name: /^Dropped/ }).click();
    await page.getByRole("row").filter({ hasText: "relabel rule 1" }).waitFor();
    expect(new URL(page.url()).searchParams.get("state")).toBe("dropped");
    expect(faults).toEqual([]);
    await context.close();
  });

  test("fills every page that its overview lists, without faults, accessible in both themes", async () => {
    const answer = (await (await fetch(`${server.url}/api/v1/status/overview`)).json()) as { data: { pages: string[] } };
    for (const colorScheme of ["light", "dark"] as const) {
      const { context, page, faults, settled } = await watched(browser, server.host, { colorScheme });
      for (const path of [...answer.data.pages, "build"]) {
        await page.goto(`${server.url}/${path}`);
        await settled();
        expect(await accessibilityProblems(page), `${path} ${colorScheme}`).toEqual([]);
        if (colorScheme === "light") expect(await focusProblems(page), `${path}, walked by Tab`).toEqual([]);
      }
      expect(faults).toEqual([]);
      await context.close();
    }
  });

  test("goes anywhere by keyboard", async () => {
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/overview`);
    await page.getByRole("heading", { name: "What runs" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("stor");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Storage" }).waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("1 + 1");
    await page.keyboard.press("Enter");
    await page.getByRole("row").filter({ hasText: "scalar" }).waitFor();
    await page.locator(".cm-content").click();
    await page.keyboard.type(" / 2");
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(faults).toEqual([]);
    await context.close();
  });

  test("opens the peers' older addresses", async () => {
    const { context, page } = await watched(browser, server.host);
    await page.goto(`${server.url}/graph?g0.expr=up&g0.tab=0&g0.range_input=15m`);
    await page.locator(".graph[data-drawn-ms]").waitFor();
    await page.goto(`${server.url}/service-discovery`);
    await page.waitForURL(`${server.url}/discovery`);
    await context.close();
  });

  test("works under a route prefix", async () => {
    const prefixed = await startServer("/metrics-of/eu");
    try {
      const { context, page, faults } = await watched(browser, prefixed.host);
      await page.goto(`${prefixed.url}/targets`);
      await page.getByRole("row").filter({ hasText: "127.0.0.1:1" }).waitFor();
      await page.getByRole("link", { name: "Overview", exact: false }).last().click();
      await page.waitForURL(`${prefixed.url}/overview`);
      await page.getByRole("heading", { name: "What runs" }).waitFor();
      await page.goto(`${prefixed.url}/query?g0.expr=up`);
      await page.locator(".cm-content").waitFor();
      expect(faults).toEqual([]);
      await context.close();
    } finally {
      await prefixed.stop();
    }
  });

  test("works behind a proxy that adds a prefix of its own", async () => {
    const proxy = await startProxy(server, "/monitoring");
    try {
      const { context, page, faults } = await watched(browser, proxy.host);
      await page.goto(`${proxy.url}/`);
      await page.waitForURL(`${proxy.url}/query`);
      await page.goto(`${proxy.url}/graph?g0.expr=up`);
      await page.waitForURL(`${proxy.url}/query?g0.expr=up`);
      await page.goto(`${proxy.url}/overview`);
      await page.getByRole("heading", { name: "What runs" }).waitFor();
      await page.getByRole("link", { name: "Targets" }).first().click();
      await page.getByRole("row").filter({ hasText: "127.0.0.1:1" }).waitFor();
      expect(page.url()).toMatch(`${proxy.url}/targets`);
      expect(faults).toEqual([]);
      await context.close();
    } finally {
      await proxy.stop();
    }
  });

  test("in the role query has stores and its choices", async () => {
    const query = await startQuery();
    try {
      const { context, page, faults } = await watched(browser, query.host);
      await page.goto(`${query.url}/stores`);
      await page.getByRole("row").filter({ hasText: "What to do" }).waitFor();
      await page.goto(`${query.url}/query?g0.expr=vector(1)&g0.deduplicate=0`);
      await page.getByRole("row").filter({ hasText: "1" }).first().waitFor();
      expect(await page.getByLabel("Replicas").inputValue()).toBe("no");
      await page.getByLabel("Coarsest resolution").selectOption("5m");
      await page.waitForURL(/max_source_resolution=5m/);
      expect(faults).toEqual([]);
      await context.close();
    } finally {
      await query.stop();
    }
  });
});
