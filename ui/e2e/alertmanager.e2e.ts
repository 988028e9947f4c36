// The pages of a server of alerts, as the binary serves them: each driven as a person would, at 5,000 alerts too, with pictures.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./a11y";
import { binary, type Running, startAlertmanager, startProxy } from "./binary";
import { artefacts, firstPaint, launch, missing, watched } from "./browser";

const skip = missing(["the binary (GAUNTLET_BIN)", binary]);
const MANY = 5000;

interface Posted {
  labels: Record<string, string>;
  annotations?: Record<string, string>;
  generatorURL?: string;
}

async function post(server: Running, alerts: Posted[]): Promise<void> {
  const answer = await fetch(`${server.url}/api/v2/alerts`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(alerts) });
  expect(answer.status).toBe(200);
}

const alert = (alertname: string, severity: string, cluster: string, more: Record<string, string> = {}, summary = ""): Posted => ({
  labels: { alertname, severity, cluster, ...more },
  annotations: summary === "" ? {} : { summary, runbook: `https://runbooks.example/${alertname}` },
  generatorURL: "http://prometheus.example/graph",
});

const FEW: Posted[] = [
  alert("DiskFull", "critical", "eu", { instance: "db-1", team: "db" }, "Disk of db-1 is 97 % full"),
  alert("DiskFull", "critical", "eu", { instance: "db-2", team: "db" }, "Disk of db-2 is 95 % full"),
  alert("HighLatency", "warning", "eu", { service: "web" }, "p99 of web is 2.1 s"),
  alert("HighLatency", "warning", "eu", { service: "api" }, "p99 of api is 1.4 s"),
  alert("HighLatency", "warning", "us", { service: "api" }, "p99 of api is 3 s"),
  alert("ClusterDown", "critical", "us", {}, "No member of us answers"),
  alert("BackupDone", "info", "eu", { instance: "db-1" }),
];

const many = (): Posted[] => Array.from({ length: MANY }, (_, i) => alert(`Alert${i % 40}`, ["critical", "warning", "none"][i % 3] as string, `c${i % 7}`, { instance: `host-${i}:9100`, job: `job-${i % 13}`, namespace: `ns-${i % 29}` }, `Instance host-${i} has a problem`));

const row = (page: Page, text: string) => page.getByRole("listitem").filter({ hasText: text });
const press = (page: Page, name: string | RegExp) => page.getByRole("button", { name }).first().click();

describe.skipIf(skip !== undefined)("a server of alerts", () => {
  let browser: Browser;
  let server: Running;

  beforeAll(async () => {
    browser = await launch();
    server = await startAlertmanager();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("opens on the alerts, says that none fires, and shows them as they come", async () => {
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(server.url);
    await page.waitForURL(`${server.url}/alerts`);
    await page.getByText("No alert fires.").waitFor();
    console.log(`first contentful paint of the alerts page: ${(await firstPaint(page)).toFixed(0)} ms`);
    await page.screenshot({ path: `${artefacts}am-empty.png` });
    await post(server, FEW);
    await row(page, "p99 of web is 2.1 s").waitFor({ timeout: 15_000 });
    expect(faults).toEqual([]);
    await context.close();
  });

  test("groups, filters and says what keeps alerts quiet", async () => {
    await post(server, FEW);
    const { context, page, faults } = await watched(browser, server.host);
    // One group a second is looked at: until the first look an alert has no kind but active.
    await page.goto(`${server.url}/alerts?active=true&inhibited=true&muted=true`);
    await row(page, "inhibited").first().waitFor({ timeout: 15_000 });
    await row(page, "BackupDone").filter({ hasText: "muted" }).waitFor({ timeout: 15_000 });
    await press(page, /^Inhibited/);
    await page.getByText("p99 of api is 3 s").waitFor({ state: "detached" });
    expect(new URL(page.url()).searchParams.get("inhibited")).toBe(null);
    // Words narrow at once, a matcher with Enter; both are in the address.
    const field = page.getByRole("combobox", { name: "Filter by words or matchers" });
    await field.fill("97 %");
    await row(page, "db-2").waitFor({ state: "detached" });
    expect(new URL(page.url()).searchParams.get("text")).toBe("97 %");
    await field.fill('service=~"we.*"');
    await page.keyboard.press("Enter");
    await row(page, "DiskFull").first().waitFor({ state: "detached" });
    await row(page, "p99 of web").waitFor();
    expect(new URL(page.url()).searchParams.get("filter")).toBe('{service=~"we.*"}');
    await field.fill("service=~");
    await field.fill('a="b" c');
    await page.keyboard.press("Enter");
    await page.getByText("a comma is wanted").waitFor();
    await page.getByRole("button", { name: /^Remove service/ }).click();
    await row(page, "DiskFull").first().waitFor();
    // By a label of one's choice; and what the label of a row does.
    await page.getByLabel("Groups").selectOption("labels");
    await page.getByLabel("Labels to group by").fill("severity");
    await page.keyboard.press("Enter");
    await page.waitForURL(/group=severity/);
    await row(page, 'severity="critical"').first().waitFor();
    await row(page, "db-1").getByRole("button", { name: 'instance="db-1"' }).first().click();
    await page.waitForURL(/filter=.*db-1/);
    await row(page, "db-2").waitFor({ state: "detached" });
    expect(faults).toEqual([]);
    await context.close();
  });

  test("an alert tells its story", async () => {
    await post(server, FEW);
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/alerts?receiver=everybody`);
    await row(page, "p99 of web").getByRole("button", { expanded: false }).click();
    await page.getByRole("link", { name: "https://runbooks.example/HighLatency" }).waitFor();
    await page.getByRole("link", { name: "what became of it" }).click();
    await page.waitForURL(/ledger\?fingerprint=/);
    await page.getByRole("listitem").filter({ hasText: "everybody" }).filter({ hasText: "was told by webhook" }).waitFor({ timeout: 15_000 });
    await page.getByRole("link", { name: "The whole ledger" }).click();
    await press(page, "Failed");
    await page.getByRole("row").filter({ hasText: "database-team" }).first().waitFor({ timeout: 15_000 });
    await press(page, "Kept quiet");
    await page.getByRole("row").filter({ hasText: "its route is muted by always" }).first().waitFor();
    await page.getByRole("row").filter({ hasText: "inhibited by alert" }).getByRole("link", { name: "see that alert" }).click();
    await page.getByRole("heading", { name: /ClusterDown/ }).waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  test("a silence is made with its preview, changed, copied and expired", async () => {
    await post(server, FEW);
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/alerts`);
    await row(page, "db-1").getByRole("link", { name: "Silence", exact: true }).first().click();
    await page.getByRole("heading", { name: "New silence" }).waitFor();
    const preview = page.getByRole("region", { name: "Preview" });
    await preview.getByText("1 alert", { exact: true }).waitFor();
    // Fewer matchers mean more alerts.
    await page.getByRole("button", { name: 'Remove instance="db-1"' }).click();
    await preview.getByText("2 alerts", { exact: true }).waitFor();
    // What is wrong is said while it is typed.
    const values = page.getByLabel("Value");
    await page.getByLabel("How it is compared").first().selectOption("=~");
    await values.first().fill("Disk(");
    await page.getByText("no regular expression").waitFor();
    await values.first().fill("Disk.*");
    await preview.getByText("2 alerts", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    await page.getByText("Others want to know whom to ask.").waitFor();
    await page.getByLabel("By", { exact: true }).fill("ann");
    await page.getByLabel("Comment").fill("new disks come today");
    await page.getByRole("button", { name: "1h", exact: true }).click();
    await page.keyboard.press("Control+Enter");
    await page.waitForURL(/silences\?id=/);
    await page.getByText(/59m \d+s left/).waitFor();
    const id = new URL(page.url()).searchParams.get("id");
    await row(page, "db-2").filter({ hasText: "silenced" }).waitFor();
    // Another end keeps it.
    await page.getByRole("link", { name: "Edit" }).click();
    await page.getByRole("button", { name: "4h", exact: true }).click();
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByText(/3h 59m left/).waitFor();
    expect(new URL(page.url()).searchParams.get("id")).toBe(id);
    // Other matchers make another, and the form says so.
    await page.getByRole("link", { name: "Edit" }).click();
    await page.getByLabel("Value").first().fill("Disk.+");
    await page.getByText("make a new silence").waitFor();
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByText(/left$/).waitFor();
    // In the list, and gone from the alerts that are active.
    await page.getByRole("link", { name: "All silences" }).click();
    const listed = page.getByRole("row").filter({ hasText: "new disks come today" });
    await listed.filter({ hasText: "2" }).waitFor();
    await listed.getByRole("button", { name: "Expire", exact: true }).click();
    await page.getByText("2 alerts that it quiets will be told of again.").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    // On its own page too, and the page shows it at once.
    await listed.getByRole("link").first().click();
    await page.getByRole("button", { name: "Expire", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Expire" }).click();
    await page.getByText(/^ended/).waitFor({ timeout: 5000 });
    // One like it can be made again.
    await page.getByRole("link", { name: "Copy" }).click();
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    await page.waitForURL((url) => url.searchParams.get("id") !== id && url.searchParams.has("id"));
    // Ended early, so how long it was to last is not known any more: an hour.
    await page.getByText(/59m \d+s left/).waitFor();
    await page.goto(`${server.url}/silences?state=expired`);
    await page.getByRole("row").filter({ hasText: "new disks come today" }).waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  test("links of the peer's pages open the same view", async () => {
    await post(server, FEW);
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/#/alerts?silenced=false&inhibited=true&muted=false&active=true&filter=%7Bcluster%3D%22us%22%7D`);
    await row(page, "p99 of api is 3 s").waitFor();
    expect(page.url()).toBe(`${server.url}/alerts?filter=%7Bcluster%3D%22us%22%7D&active=true&silenced=false&inhibited=true&muted=false`);
    await page.goto("about:blank");
    await page.goto(`${server.url}/#/silences/new?filter=%7Balertname%3D%22DiskFull%22%2C%20instance%3D~%22db-.%2B%22%7D`);
    await page.getByRole("region", { name: "Preview" }).getByText("2 alerts", { exact: true }).waitFor();
    expect(await page.getByLabel("Value").nth(1).inputValue()).toBe("db-.+");
    await page.goto("about:blank");
    await page.goto(`${server.url}/#/status`);
    await page.getByRole("heading", { name: "Members" }).waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  test("shows routes, cluster, configuration, build and what needs attention", async () => {
    await post(server, FEW);
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/routes`);
    await page.getByLabel("Try an alert").fill('team=db, alertname="X"');
    await page.keyboard.press("Enter");
    await page.getByText("told to database-team").waitFor();
    expect(await page.getByText("takes it").count()).toBe(1);
    await page.getByRole("link", { name: "Cluster" }).first().click();
    await page.getByText("this one").waitFor();
    await page.getByRole("link", { name: "Configuration" }).first().click();
    await page.getByText("inhibit_rules:").waitFor();
    await page.getByRole("link", { name: "Build" }).first().click();
    await page.getByRole("row").filter({ hasText: "Version of the API" }).waitFor();
    await page.getByRole("link", { name: "Overview" }).first().click();
    await page.getByText("Receiver database-team").first().waitFor({ timeout: 15_000 });
    await page.getByText("check its address and credentials").waitFor();
    // The palette looks for alerts where there is nothing to query.
    await page.keyboard.press("/");
    await page.keyboard.type("97 %");
    await page.keyboard.press("Enter");
    await page.waitForURL(/alerts\?text=97/);
    await page.getByText(/alerts? in \d groups?/).waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("service=web");
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.searchParams.get("filter") === '{service="web"}' && !url.searchParams.has("text"));
    expect(faults).toEqual([]);
    await context.close();
  });

  test("works below a prefix", async () => {
    const prefixed = await startAlertmanager("/alerts-of/eu");
    try {
      const { context, page, faults } = await watched(browser, prefixed.host);
      await page.goto(`http://${prefixed.host}/`);
      await page.waitForURL(`${prefixed.url}/alerts`);
      await page.getByText("No alert fires.").waitFor();
      await page.goto(`${prefixed.url}/#/silences`);
      await page.waitForURL(`${prefixed.url}/silences`);
      await page.getByText("Nothing is silenced.").waitFor();
      await page.goto(prefixed.url);
      await page.waitForURL(`${prefixed.url}/alerts`);
      expect(faults).toEqual([]);
      await context.close();
      // Behind a proxy that adds a prefix of its own, of which the server knows nothing.
      const proxy = await startProxy(server, "/monitoring");
      const behind = await watched(browser, proxy.host);
      await behind.page.goto(`${proxy.url}/#/silences`);
      await behind.page.waitForURL(`${proxy.url}/silences`);
      await behind.page.getByRole("link", { name: "Alerts", exact: true }).click();
      await behind.page.getByRole("combobox").first().waitFor();
      expect([behind.page.url(), behind.faults]).toEqual([`${proxy.url}/alerts`, []]);
      await behind.context.close();
      await proxy.stop();
    } finally {
      await prefixed.stop();
    }
  });

  test("pictures of every page: accessible, and no wider than the window", async () => {
    await post(server, FEW);
    const silence = async (more: object): Promise<string> => {
      const answer = await fetch(`${server.url}/api/v2/silences`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ matchers: [{ name: "cluster", value: "us|ap", isRegex: true, isEqual: true }], startsAt: new Date().toISOString(), endsAt: new Date(Date.now() + 86_400_000).toISOString(), createdBy: "bob", comment: "the move of us", ...more }),
      });
      return ((await answer.json()) as { silenceID: string }).silenceID;
    };
    const active = await silence({});
    await silence({ startsAt: new Date(Date.now() + 3_600_000).toISOString(), comment: "tonight's upgrade" });
    const alerts: { fingerprint: string; labels: Record<string, string> }[] = await (await fetch(`${server.url}/api/v2/alerts`)).json();
    const disk = alerts.find(({ labels }) => labels.instance === "db-1" && labels.team === "db")?.fingerprint;
    const shown: [name: string, path: string, act?: (page: Page) => Promise<void>][] = [
      ["alerts", "alerts"],
      ["alerts-all", "alerts?silenced=true&inhibited=true&muted=true"],
      ["alerts-grouped", "alerts?silenced=true&inhibited=true&muted=true&group=severity&filter=%7Bcluster%3D%22eu%22%7D", (page) => row(page, "db-1").getByRole("button", { expanded: false }).first().click()],
      ["silences", "silences"],
      ["silence", `silences?new=${encodeURIComponent('{alertname="DiskFull", team=~"d.*"}')}`],
      ["expire", `silences?id=${active}`, (page) => page.getByRole("button", { name: "Expire", exact: true }).click()],
      ["ledger", "ledger"],
      ["story", `ledger?fingerprint=${disk}`],
      ["routes", `routes?labels=${encodeURIComponent('team="db", severity="info"')}`],
      ["cluster", "cluster"],
      ["overview", "overview"],
      ["config", "config"],
      ["build", "build"],
    ];
    const problems: string[] = [];
    for (const [look, options] of [
      ["light", { colorScheme: "light" as const }],
      ["dark", { colorScheme: "dark" as const }],
      ["narrow", { colorScheme: "light" as const, viewport: { width: 390, height: 844 } }],
    ] as const) {
      const { context, page, faults } = await watched(browser, server.host, options);
      for (const [name, path, act] of shown) {
        await page.goto(`${server.url}/${path}`, { waitUntil: "networkidle" });
        await page.getByRole("heading").first().waitFor();
        await page.waitForTimeout(200);
        await act?.(page);
        await page.waitForTimeout(250);
        await page.screenshot({ path: `${artefacts}am-${name}-${look}.png` });
        problems.push(...(await accessibilityProblems(page)).map((text) => `${name} ${look}: ${text}`));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) problems.push(`${name} ${look}: ${over} px wider than the window`);
      }
      problems.push(...faults);
      await context.close();
    }
    expect(problems).toEqual([]);
  }, 180_000);

  test(`stays fluid at ${MANY} alerts`, async () => {
    await post(server, many());
    const { context, page, faults } = await watched(browser, server.host);
    await page.goto(`${server.url}/alerts?group=+`);
    await page.getByText(/^50\d\d alerts/).waitFor({ timeout: 30_000 });
    const count = () => page.getByRole("listitem").count();
    const before = await count();
    // To the end and back; the rows in the document stay few.
    const scroll = (to: string) => page.evaluate((end) => new Promise<number>((done) => {
      const list = document.querySelector(".alertlist") as HTMLElement;
      const started = performance.now();
      list.scrollTop = end === "end" ? list.scrollHeight : 0;
      requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - started)));
    }), to);
    const times = [await scroll("end"), await scroll("start")];
    const field = page.getByRole("combobox", { name: "Filter by words or matchers" });
    const typed = performance.now();
    await field.fill("host-4999:");
    await page.getByText(/^1 alert$/).waitFor();
    const filtering = performance.now() - typed;
    await field.fill("");
    await page.getByText(/^50\d\d alerts/).waitFor();
    await page.screenshot({ path: `${artefacts}am-many.png` });
    await page.goto(`${server.url}/alerts`);
    await page.getByText(/alerts in \d+ groups/).waitFor();
    await page.screenshot({ path: `${artefacts}am-many-groups.png` });
    await press(page, "Unfold");
    await row(page, "Instance host-").first().waitFor();
    const after = await count();
    console.log(`${MANY} alerts: ${before} and ${after} rows in the document, scrolling ${times.map((ms) => ms.toFixed(0)).join(" and ")} ms, filtering ${filtering.toFixed(0)} ms`);
    expect(Math.max(before, after)).toBeLessThan(80);
    expect(faults).toEqual([]);
    await context.close();
  });
});
