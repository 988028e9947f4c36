// Chromium for the tests, and what every page is held to: no error on the console, no request to another host.
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
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

export interface Watched {
  context: BrowserContext;
  page: Page;
  /** Console errors, uncaught exceptions, requests to other hosts, violations of the policy. */
  faults: string[];
}

export async function watched(browser: Browser, host: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("console", (message) => {
    // The browser reports every answer that is an error; pages show those as text.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.host !== host) faults.push(`outside: ${request.url()}`);
  });
  return { context, page, faults };
}

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
