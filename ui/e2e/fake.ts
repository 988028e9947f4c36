// A server with much of everything: thousands of targets, hundreds of series, every page. Serves the built app from disk with the
// policy that the binary sends.
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname } from "node:path";
import { gzipSync } from "node:zlib";
import type { Running } from "./binary";

const dist = new URL("../dist/", import.meta.url).pathname;
const rust = readFileSync(new URL("../../crates/ui/src/assets.rs", import.meta.url), "utf8");
/** The policy as the binary sends it, read from its source so that the two cannot drift. */
const policy = (/APP_POLICY: &str = "([^"]*)"/.exec(rust)?.[1] ?? "default-src 'none'").replace(/\\\n\s*/g, "");
export const index = `${dist}index.html`;

const TYPES: Record<string, string> = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html" };

export interface Shape {
  role: "server" | "query";
  targets: number;
  series: number;
  rules: number;
  /** Whether it says that it still reads its log. */
  starting: boolean;
  /** Answers of queries wait for so long, ms. */
  delayMs: number;
}

export interface Fake extends Running {
  /** Queries whose client went away before the answer. */
  aborted: () => number;
  asked: string[];
}

export async function startFake(given: Partial<Shape> = {}): Promise<Fake> {
  const shape: Shape = { role: "server", targets: 60, series: 6, rules: 60, delayMs: 0, starting: false, ...given };
  const asked: string[] = [];
  let aborted = 0;
  const server = createServer((request, response) => {
    void handle(request, response);
  });
  async function handle(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? "/", "http://fake");
    const send = (body: string | Buffer, type: string, status = 200) => {
      const packed = gzipSync(body, { level: 1 });
      response.writeHead(status, { "content-type": type, "content-encoding": "gzip", "content-security-policy": policy });
      response.end(packed);
    };
    if (!url.pathname.startsWith("/api/")) {
      const file = dist + url.pathname.slice(1);
      const isFile = url.pathname !== "/" && existsSync(file);
      const body = readFileSync(isFile ? file : index);
      if (isFile) send(body, TYPES[extname(file)] ?? "text/plain");
      else send(body.toString().replace("__GAUNTLET_BASE__", "./"), "text/html; charset=utf-8");
      return;
    }
    let form = "";
    for await (const chunk of request) form += String(chunk);
    const parameters = new URLSearchParams(url.search + (form === "" ? "" : `&${form}`));
    const path = url.pathname.slice("/api/v1/".length);
    asked.push(`${path}?${parameters}`);
    if (/^query(_range)?$/.test(path) && shape.delayMs > 0) {
      let gone = false;
      response.once("close", () => {
        gone = !response.writableEnded;
        if (gone) aborted++;
      });
      await new Promise((resolve) => setTimeout(resolve, shape.delayMs));
      if (gone) return;
    }
    const answer = answerOf(path, parameters, shape);
    if (typeof answer === "string") send(JSON.stringify({ status: "error", errorType: "bad_data", error: answer }), "application/json", 400);
    else send(JSON.stringify({ status: "success", ...answer }), "application/json");
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = address && typeof address === "object" ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    aborted: () => aborted,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

interface Answer {
  data: unknown;
  warnings?: string[];
  infos?: string[];
}

/** The answer, or the text of an error. */
function answerOf(path: string, parameters: URLSearchParams, shape: Shape): Answer | string {
  const query = parameters.get("query") ?? "";
  const now = Date.now();
  switch (path) {
    case "query":
    case "query_range":
    case "parse_query":
      if (query.includes("sum(")) return query.includes(")") ? evaluate(path, query, parameters, shape) : 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis';
      return evaluate(path, query, parameters, shape);
    case "query_exemplars": {
      const end = Number(parameters.get("end"));
      return {
        data: [
          {
            seriesLabels: { __name__: "http_requests_total" },
            exemplars: [0, 1, 2, 3].map((i) => ({ labels: { trace_id: `4bf92f3577b34da6${i}` }, value: String(20 + i * 15), timestamp: end - 600 * (i + 1) })),
          },
        ],
      };
    }
    case "query_explain":
      return { data: explained(query, parameters) };
    case "format_query":
      return { data: query.replace(/\s+/g, " ") };
    case "label/__name__/values":
      return { data: ["up", "scrape_duration_seconds", ...many(3000, (i) => `app_metric_${i}_total`), "request_seconds", "http_requests_total"].sort() };
    case "labels":
      return { data: ["__name__", "instance", "job", "code"] };
    case "metadata":
      return { data: { up: [{ type: "gauge", help: "Whether the last scrape worked.", unit: "" }], http_requests: [{ type: "counter", help: "Requests served.", unit: "" }], request_seconds: [{ type: "histogram", help: "How long requests took.", unit: "seconds" }] } };
    case "features":
      return { data: { api: { query_stats: true, query_exemplars: true, query_explain: true, store_match: true } } };
    case "rules":
      return { data: { groups: many(shape.rules / 10, (g) => ({ name: `group-${g}`, file: `/etc/rules/${g}.yml`, interval: 30, evaluationTime: 0.01, lastEvaluation: new Date(now - 9000).toISOString(), rules: many(10, (i) => rule(g * 10 + i, now)) })) } };
    case "alerts":
      return { data: { alerts: many(shape.rules / 10, (i) => alert(i, now)) } };
    case "scrape_pools":
      return {
        data: {
          scrapePools: ["node", "blackbox", "api"],
          discovery: [
            { kind: "consul", scrapePools: ["node"], targets: 20, lastUpdate: new Date(now - 400_000).toISOString(), lastError: "consul at 10.1.1.1:8500: connection refused" },
            { kind: "static", scrapePools: ["blackbox", "api"], targets: 40, lastUpdate: new Date(now - 1000).toISOString(), lastError: "" },
          ],
        },
      };
    case "targets":
      return { data: targets(shape.targets, parameters) };
    case "stores":
      return {
        data: {
          sidecar: many(3, (i) => ({ name: `10.0.0.${i}:10901`, lastCheck: new Date(now).toISOString(), lastError: i === 2 ? "rpc error: code = Unavailable: connection refused" : null, labelSets: [{ cluster: "eu-1", replica: String(i) }], minTime: now - 7_200_000, maxTime: 9_223_372_036_854_775_807 })),
          store: [{ name: "store.example:10901", lastCheck: new Date(now).toISOString(), lastError: null, labelSets: [{ cluster: "eu-1" }], minTime: now - 90 * 86_400_000, maxTime: now - 3_600_000 }],
          ...(parameters.get("unanswered") === "true" ? { unanswered: [{ name: "10.0.0.9:10901", lastCheck: new Date(now).toISOString(), lastError: "rpc error: code = Unavailable: tcp connect error: Connection refused (os error 111)", labelSets: [], minTime: 9_223_372_036_854_775_807, maxTime: -9_223_372_036_854_775_808 }] } : {}),
        },
      };
    case "status/overview":
      return {
        data: {
          role: shape.role,
          version: "0.0.0",
          ready: !shape.starting,
          notReady: shape.starting ? "the log is being read" : null,
          startedMs: now - 93_784_000,
          pages: shape.role === "server" ? ["query", "alerts", "rules", "targets", "discovery", "overview", "storage", "flags", "config", "log"] : ["query", "overview", "stores", "flags", "log"],
          parts: [
            { name: "Database", state: "good", text: "1.2 M series in the head, 41 blocks", cure: null, link: shape.role === "server" ? "storage" : null },
            { name: "Targets", state: "warn", text: "4 of 60 down, for example http://10.0.0.7:9100/metrics: connection refused", cure: "check that the target runs and listens at this address, and that no firewall is between", link: shape.role === "server" ? "targets" : "stores" },
            { name: "Configuration", state: "bad", text: "the last reload failed, the one before is in force: 12:3: field scrape_intervall not found", cure: "mend the file and send SIGHUP", link: null },
            { name: "Bucket", state: "good", text: "next block at 14:00; 3.1 M samples held; writing was tried and works", cure: null, link: null },
          ],
          log: many(30, (i) => ({ timeMs: now - (30 - i) * 61_000, level: i % 7 === 0 ? "ERROR" : "WARN", message: i % 7 === 0 ? "block is unreadable" : "scrape failed", fields: [["component", "scrape"], ["target", `http://10.0.0.${i}:9100/metrics`]] })),
        },
      };
    case "status/tsdb": {
      const stats = (names: string[], first: number) => names.map((name, i) => ({ name, value: Math.round(first / (i + 1)) }));
      return {
        data: {
          headStats: { numSeries: 1_234_567, numLabelPairs: 45_678, chunkCount: 2_345_678, minTime: now - 9_000_000, maxTime: now },
          seriesCountByMetricName: stats(["http_request_duration_seconds_bucket", "container_network_receive_bytes_total", "node_cpu_seconds_total", "apiserver_request_total"], 120_000),
          labelValueCountByLabelName: stats(["__name__", "pod", "id", "instance"], 9000),
          memoryInBytesByLabelName: stats(["__name__", "pod", "id"], 9e6),
          seriesCountByLabelValuePair: stats(["job=node", "cluster=eu-1", "namespace=default"], 800_000),
          memoryInBytesByPart: stats(["open chunks", "labels", "postings", "strings"], 4e8),
          diskBytesByPart: stats(["blocks", "log and files of the head"], 3e9),
        },
      };
    }
    case "status/tsdb/blocks": {
      const grid = Math.floor(now / 7_200_000) * 7_200_000;
      const block = (i: number, from: number, to: number, level: number) => ({ ulid: `01JD${String(i).padStart(22, "0")}`, minTime: from, maxTime: to, stats: { numSamples: 9e7, numSeries: 1e6, numChunks: 2e6 }, compaction: { level } });
      const blocks = [...many(4, (i) => block(i, grid - (i + 2) * 7_200_000, grid - (i + 1) * 7_200_000, 1)), ...many(9, (i) => block(i + 4, grid - 36_000_000 - (i + 1) * 64_800_000, grid - 36_000_000 - i * 64_800_000, 3))];
      return { data: { blocks, sizeBytes: Object.fromEntries(blocks.map((one) => [one.ulid, 120e6 * one.compaction.level])) } };
    }
    case "status/walreplay":
      return { data: { min: 100, max: 180, current: 142 } };
    case "status/flags":
      return { data: Object.fromEntries(many(60, (i) => [`storage.some-flag-${i}`, i % 5 === 0 ? "" : `value ${i}`])) };
    case "status/config":
      return { data: { yaml: `global:\n  scrape_interval: 15s\nscrape_configs:\n${many(80, (i) => `- job_name: job${i}\n  scrape_interval: 30s\n`).join("")}` } };
    case "status/buildinfo":
      return { data: { version: "3.14.0", revision: "gauntlet-0.0.0", branch: "gauntlet", buildUser: "gauntlet", buildDate: "", goVersion: "none" } };
    case "status/runtimeinfo":
      return { data: { startTime: new Date(now - 1e7).toISOString(), CWD: "/var/lib/gauntlet", hostname: "host-1", GOMAXPROCS: 8, reloadConfigSuccess: true, storageRetention: "15d", lastConfigTime: new Date(now - 1e7).toISOString(), GOGC: "" } };
    default:
      return path.startsWith("label/") ? { data: ["a", "b"] } : `this server has no ${path}`;
  }
}

function evaluate(path: string, query: string, parameters: URLSearchParams, shape: Shape): Answer {
  if (path === "parse_query") return { data: {} };
  const stats = { timings: { execTotalTime: 0.0123 }, samples: { totalQueryableSamples: 120_000, peakSamples: 5000 } };
  const labels = (i: number) => ({ __name__: "http_requests_total", job: "api", instance: `10.0.${i >> 8}.${i & 255}:8080`, code: ["200", "404", "500"][i % 3] as string, handler: `/v1/things/${i}` });
  const warnings = query.includes("partial") ? ["10.0.0.2:10901: no answer within 5s; its data is missing"] : [];
  const infos = query.includes("rate") ? [] : ['metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "x" (1:6)'];
  if (path === "query") {
    const at = Number(parameters.get("time") ?? Date.now() / 1000);
    const value = (i: number) => (i % 17 === 5 ? "NaN" : String((i * 7919) % 1000));
    const result = query.includes("request_seconds") ? [{ metric: { __name__: "request_seconds", job: "api" }, histogram: [at, histogram(5)] }] : many(shape.series, (i) => ({ metric: labels(i), value: [at, value(i)] }));
    return { data: { resultType: "vector", result: query.includes("nothing") ? [] : result, stats }, warnings, infos };
  }
  const [start, end, step] = [Number(parameters.get("start")), Number(parameters.get("end")), Number(parameters.get("step"))];
  const count = Math.floor((end - start) / step) + 1;
  if (query.includes("request_seconds")) {
    return { data: { resultType: "matrix", result: [{ metric: { job: "api" }, histograms: many(count, (i) => [start + i * step, histogram(i)]) }], stats } };
  }
  const course = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];
  if (query.startsWith('{__name__=~"up|')) {
    const values = (s: number) => many(count, (i) => [start + i * step, String(s === 0 ? Number(i % 23 !== 5) : s === 1 ? 0.01 + ((i * 7919) % 13) / 1000 : 1200 + Math.floor(i / 20))]);
    return { data: { resultType: "matrix", result: course.map((name, s) => ({ metric: { __name__: name }, values: values(s) })), stats } };
  }
  const result = many(shape.series, (s) => ({
    metric: labels(s),
    values: many(count, (i) => [start + i * step, (50 + 20 * Math.sin(i / 25 + s) + (s % 40) * 3 + ((i * 7 + s * 13) % 11)).toFixed(3)]).filter((_, i) => s !== 1 || i < count * 0.4 || i > count * 0.5),
  }));
  return { data: { resultType: "matrix", result, stats }, warnings, infos };
}

/** The plan of `sum by (job) (rate(x[5m])) / 2`, whatever the query is; offsets fit where it is that one. */
function explained(query: string, parameters: URLSearchParams) {
  const analyzed = parameters.get("analyze") === "true";
  const end = Number(parameters.get("end") ?? parameters.get("time")) * 1000;
  const start = parameters.has("start") ? Number(parameters.get("start")) * 1000 : end;
  const step = Number(parameters.get("step") ?? 0) * 1000;
  const operator = (operator: string, name: string, from: number, to: number, args: object, scale: number, inputs: object[]) => ({
    operator, name, gives: "vector", pos: { start: from, end: to }, text: query.slice(from, to), args, fused: scale > 10, inputs,
    stats: analyzed ? { calls: 1, shards: 24, series: 3 * scale, samples: 723 * scale, samplesSeen: scale > 10 ? 7_712_000 : 0, samplesDecoded: scale > 100 ? 385_600 : 0, bytesDecoded: scale > 100 ? 577_000 : 0, peakBytes: 17_400 * scale, cpuNs: 31_000 * scale, wallNs: 2_900_000 } : undefined,
  });
  const length = query.length;
  const select = operator("select", "x", Math.max(length - 11, 0), Math.max(length - 6, 0), { selection: 0, rangeMs: 300_000 }, 533, []);
  const rate = operator("window", "rate", 14, Math.max(length - 5, 14), { rangeMs: 300_000 }, 500, [select]);
  const sum = operator("aggregate", "sum", 0, Math.max(length - 4, 0), { op: "sum", by: ["job"] }, 2, [rate]);
  return {
    query, analyzed, grid: { startMs: start, endMs: end, stepMs: step, steps: step > 0 ? Math.floor((end - start) / step) + 1 : 1 }, workers: 8,
    selections: [{ matchers: ['__name__="x"'], minTimeMs: start - 300_000, maxTimeMs: end, ...(analyzed ? { series: 1600, chunks: 4800, bytes: 614_400 } : {}) }],
    plan: operator("map", "/", 0, length, { op: "/", scalarOnTheLeft: false }, 1, [sum]),
    totals: analyzed ? { resultType: "vector", resultSeries: 3, seriesRead: 1600, samplesSeen: 7_712_000, samplesDecoded: 385_600, peakSamples: 386_323, peakBytes: 702_000, selectNs: 800_000, computeNs: 2_950_000 } : undefined,
  };
}

function alert(i: number, now: number) {
  return {
    labels: { alertname: `DiskFull${i}`, severity: i % 3 === 0 ? "critical" : "warning", instance: `10.0.0.${i}:9100` },
    annotations: { summary: `The disk of 10.0.0.${i} is full in four hours` },
    state: i % 4 === 1 ? "pending" : "firing",
    activeAt: new Date(now - (i + 1) * 300_000).toISOString(),
    value: "9.1e+01",
  };
}

function rule(i: number, now: number) {
  const shared = { query: `predict_linear(node_filesystem_avail_bytes{mountpoint="/data${i}"}[6h], 4 * 3600) < 0`, evaluationTime: 0.0042, lastEvaluation: new Date(now - 9000).toISOString(), labels: { severity: "critical" } };
  if (i % 3 === 1) return { ...shared, type: "recording", name: `instance:disk:predict${i}`, health: "ok" };
  const failing = i % 29 === 5;
  const firing = i % 7 === 0;
  return { ...shared, type: "alerting", name: `DiskFull${i}`, duration: 600, annotations: {}, alerts: firing ? [alert(i, now)] : [], state: firing ? "firing" : "inactive", health: failing ? "err" : "ok", lastError: failing ? "many-to-many matching not allowed: matching labels must be unique on one side" : undefined };
}

function histogram(seed: number) {
  const centre = 8 + 4 * Math.sin(seed / 20);
  const buckets = many(20, (i) => [0, String(0.001 * 2 ** (i / 2)), String(0.001 * 2 ** ((i + 1) / 2)), String(Math.round(1000 * Math.exp(-((i - centre) ** 2) / 8)))]).filter(([, , , count]) => count !== "0");
  return { count: "4242", sum: "123.4", buckets };
}

function targets(count: number, parameters: URLSearchParams) {
  const [state, pool, health, url] = ["state", "scrapePool", "health", "scrapeUrl"].map((name) => parameters.get(name) ?? "") as [string, string, string, string];
  const words = (parameters.get("search") ?? "").toLowerCase().split(/\s+/);
  const finds = (hay: unknown) => words.every((word) => JSON.stringify(hay).replaceAll('\\"', '"').toLowerCase().includes(word));
  const stages: [string, string, string][] = [
    ["connect", 'Get "http://…": dial tcp: connection refused', "check that the target runs and listens at this address, and that no firewall is between"],
    ["timeout", "context deadline exceeded", "the target is slow: raise scrape_timeout or find out why"],
    ["resolve", "lookup db.example: no such host", "check the host name and the DNS of this machine"],
  ];
  const settings = { __metrics_path__: "/metrics", __scheme__: "http", __scrape_interval__: "15s", __scrape_timeout__: "10s" };
  const active = many(count, (i) => {
    const instance = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:9100`;
    const job = ["node", "blackbox", "api"][i % 3] as string;
    const down = i % 15 === 7;
    const [stage, error, cure] = stages[(i >> 4) % 3] as [string, string, string];
    return {
      discoveredLabels: { __address__: instance, ...settings, __meta_consul_dc: "eu-1", __meta_consul_service: job, job },
      labels: { instance, job, dc: "eu-1" },
      scrapePool: job,
      scrapeUrl: `http://${instance}/metrics`,
      globalUrl: `http://${instance}/metrics`,
      lastError: down ? error : "",
      lastErrorStage: down ? stage : undefined,
      lastErrorCure: down ? cure : undefined,
      lastScrape: new Date(Date.now() - (i % 15) * 1000).toISOString(),
      lastScrapeDuration: down ? 10 : 0.004 + (i % 40) / 1000,
      lastSamples: down ? 0 : 1200 + (i % 300),
      lastLateness: 0.0004,
      health: down ? "down" : "up",
      scrapeInterval: "15s",
      scrapeTimeout: "10s",
      recentScrapes: parameters.get("recent") === "true" ? many(20, (k) => [4000 + ((k * 7919) % 900), (k * 37) % 400, 1200 + (k % 3)]) : undefined,
    };
  })
    .filter((target) => (pool === "" || target.scrapePool === pool) && (url === "" || target.scrapeUrl === url) && finds([target.labels, target.scrapeUrl, target.scrapePool, target.lastError]))
    .sort((a, b) => Number(a.health === "up") - Number(b.health === "up"));
  const dropped = many(20, (i) => ({ discoveredLabels: { __address__: `10.9.0.${i}:9100`, ...settings, job: "node" }, scrapePool: "node", droppedBy: "relabel rule 2 (drop)" })).filter(finds);
  const down = active.filter((target) => target.health === "down").length;
  return {
    activeTargets: state === "dropped" ? [] : active.filter((target) => health === "" || target.health === health).slice(0, Number(parameters.get("limit") ?? Infinity)),
    activeTargetCounts: state === "dropped" ? undefined : { up: active.length - down, down, unknown: 0 },
    droppedTargets: state === "active" ? [] : dropped,
    droppedTargetCounts: { node: 20 },
  };
}

function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
