// Chromium for the tests, and what every page is held to: no error on the console, none of the server, nothing to another host.
import { existsSync, mkdirSync } from "node:fs";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const PLACES = [process.env.CHROMIUM_BIN, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const found = PLACES.find((path) => path !== undefined && existsSync(path));

export const artefacts = new URL("./artefacts/", import.meta.url).pathname;
mkdirSync(artefacts, { recursive: true });

/** Why the browser tests cannot run; undefined when they can. With CI set, what is missing is an error. */
export function missing(...files: [name: string, path: string | undefined][]): string | undefined {
  const gone = [["chromium", found] as const, ...files].filter(([, path]) => path === undefined || !existsSync(path)).map(([name]) => name);
  if (gone.length === 0) return undefined;
  const text = `SKIPPED: browser tests need ${gone.join(" and ")}`;
  if (process.env.CI) throw new Error(text);
  console.warn(text);
  return text;
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: found,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Whatever is asked for by name, by whatever means, leads nowhere.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
}

export interface Watched {
  context: BrowserContext;
  page: Page;
  /** Console errors and warnings, uncaught exceptions, answers that are errors, whatever goes to another host, violations of the policy. */
  faults: string[];
  /** Waits until nothing is under way any more and the page has been drawn. */
  settled: () => Promise<void>;
}

/** A page that records its faults. `refused` matches what the server is expected to answer with an error: path and query. */
export async function watched(browser: Browser, host: string, options: Parameters<Browser["newContext"]>[0] = {}, refused?: RegExp): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  const expected = (address: string) => {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    return url !== undefined && refused !== undefined && refused.test(url.pathname + url.search);
  };
  const inside = (address: string) => {
    const url = new URL(address);
    return /^(data|blob|about):$/.test(url.protocol) || url.host === host;
  };
  page.on("console", (message) => {
    if (!/^(error|warning)$/.test(message.type())) return;
    // The browser reports every answer that is an error.
    if (/Failed to load resource/.test(message.text()) && expected(message.location().url)) return;
    faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  const under = new Set<unknown>();
  let changedAt = performance.now();
  const change = () => {
    changedAt = performance.now();
  };
  // Of the whole context: pages, their workers and what they open.
  context.on("request", (request) => {
    under.add(request);
    change();
    if (!inside(request.url())) faults.push(`outside: ${request.url()}`);
  });
  context.on("response", (response) => {
    if (response.status() >= 400 && !expected(response.url())) faults.push(`${response.status()}: ${response.url()}`);
  });
  context.on("requestfinished", (request) => {
    under.delete(request);
    change();
  });
  context.on("requestfailed", (request) => {
    under.delete(request);
    change();
    const why = request.failure()?.errorText ?? "";
    // Questions that a newer one replaces are aborted, as are those of a page that is left.
    if (why !== "net::ERR_ABORTED") faults.push(`failed: ${request.url()} ${why}`);
  });
  page.on("websocket", (socket) => {
    if (!inside(socket.url())) faults.push(`outside: ${socket.url()}`);
  });
  const settled = async () => {
    await page.locator("h1").first().waitFor({ state: "attached" });
    while (under.size > 0 || performance.now() - changedAt < QUIET_MS) await new Promise((resolve) => setTimeout(resolve, 20));
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  };
  return { context, page, faults, settled };
}

/** Without a request for so long a page has asked for all that it wants, ms. */
const QUIET_MS = 150;

/** First contentful paint of the page, ms after the navigation began. */
export function firstPaint(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") resolve(entry.startTime);
        }).observe({ type: "paint", buffered: true });
      }),
  );
}
