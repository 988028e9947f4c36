import { test } from "vitest";
import { launch, watched } from "./browser";
import { startServer, startQuery } from "./binary";
test("p", async () => {
  const browser = await launch(); const s = await startServer();
  const { page, faults } = await watched(browser, s.host);
  await page.goto(`${s.url}/query`);
  const field = page.locator(".cm-content"); await field.waitFor(); await field.click();
  await page.keyboard.type("prometheus_tsdb_head_ser");
  await page.waitForTimeout(1500);
  await page.screenshot({ path: "/tmp/z1.png" });
  console.log(faults, await page.locator(".cm-tooltip-autocomplete li").count());
  const q = await startQuery();
  const p2 = (await watched(browser, q.host)).page;
  await p2.goto(`${q.url}/stores`); await p2.waitForTimeout(7000);
  await p2.screenshot({ path: "/tmp/z2.png" });
  console.log(await (await fetch(`${q.url}/api/v1/stores`)).text());
  await browser.close(); await s.stop(); await q.stop();
});
