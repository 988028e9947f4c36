// The watch itself: what pages must not do is seen, by whatever way they do it.
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { launch, missing, watched } from "./browser";

test.skipIf(missing() !== undefined)("the watch sees errors, refused answers and whatever goes elsewhere", async () => {
  const server = createServer((request, response) => {
    if (request.url === "/gone") response.writeHead(404).end();
    else if (request.url === "/expected") response.writeHead(400).end();
    else response.writeHead(200, { "content-type": "text/html" }).end("<h1>Page</h1>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = (server.address() as { port: number }).port;
  const browser = await launch();
  const { context, page, faults, settled } = await watched(browser, `127.0.0.1:${port}`, {}, /^\/expected$/);
  await page.goto(`http://127.0.0.1:${port}/`);
  const after = async (act: () => unknown) => {
    faults.length = 0;
    await page.evaluate(act);
    await settled();
    return faults.join("\n");
  };
  expect(await after(() => fetch("/expected"))).toBe("");
  expect(await after(() => fetch("/gone"))).toContain("404: ");
  expect(await after(() => fetch("http://elsewhere.example/").catch(() => undefined))).toContain("outside: http://elsewhere.example/");
  expect(await after(() => fetch("http://127.0.0.2:9/").catch(() => undefined))).toContain("outside: ");
  expect(
    await after(
      () =>
        new Promise((resolve) => {
          new WebSocket("ws://127.0.0.2:9/").onerror = resolve;
        }),
    ),
  ).toContain("outside: ws://127.0.0.2:9/");
  expect(await after(() => navigator.sendBeacon("http://127.0.0.2:9/", "x"))).toContain("outside: ");
  expect(await after(() => console.error("broken"))).toContain("console: broken");
  expect(
    await after(() => {
      setTimeout(() => {
        throw new Error("late");
      });
    }),
  ).toContain("uncaught: late");
  await context.close();
  await browser.close();
  server.closeAllConnections();
  server.close();
});
