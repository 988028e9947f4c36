// A whole small world on loopback: an exporter with counters, exemplars, histograms and 500 waves, the real binary that scrapes it and
// 5,000 further targets, its sidecar, and a query over that and over a store that is not there.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, freePort, ready, type Running } from "./binary";

export const WAVES = 500;
export const TARGETS = 5000;
/** Of the many targets, those where nothing listens. */
export const REFUSED = 40;

export interface World {
  server: Running;
  query: Running;
  /** The store that never answers. */
  dead: string;
  /** Address of the sidecar's StoreAPI. */
  alive: string;
  stop: () => Promise<void>;
}

export async function startWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "gauntlet-e2e-"));
  const exporter = createServer((request, response) => {
    if (request.url === "/small") response.writeHead(200, { "content-type": "text/plain" }).end("thing 1\n");
    else response.writeHead(200, { "content-type": "application/openmetrics-text; version=1.0.0; charset=utf-8" }).end(exposition());
  });
  // On every address of loopback: each target has one of its own.
  const port = await freePort();
  await new Promise<void>((resolve) => exporter.listen(port, "127.0.0.1", resolve));
  const others = createServer((_, response) => response.writeHead(200, { "content-type": "text/plain" }).end("thing 1\n"));
  const othersPort = await freePort();
  await new Promise<void>((resolve) => others.listen(othersPort, "0.0.0.0", resolve));
  const many = (from: number, to: number, port: number) => Array.from({ length: to - from }, (_, i) => `"127.1.${(i + from) >> 8}.${(i + from) & 255}:${port}"`).join(", ");
  const [http, sidecarHttp, sidecarGrpc, queryHttp, queryGrpc, dead] = await Promise.all(Array.from({ length: 6 }, freePort));
  writeFileSync(
    join(folder, "prometheus.yml"),
    `global: { scrape_interval: 1s, scrape_timeout: 1s, external_labels: { replica: a } }
scrape_configs:
- { job_name: app, static_configs: [{ targets: ["127.0.0.1:${port}"] }] }
- job_name: many
  metrics_path: /small
  scrape_interval: 1m
  static_configs: [{ targets: [${many(REFUSED, TARGETS, othersPort)}], labels: { fleet: East } }]
  relabel_configs:
  - { source_labels: [__address__], regex: "127[.]1[.]0[.]99:.*", action: drop }
- { job_name: refused, scrape_interval: 2s, static_configs: [{ targets: [${many(0, REFUSED, 1)}] }] }
`,
  );
  const start = (args: string[], port: number | undefined) => ready(spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] }), `127.0.0.1:${port}`, "", () => undefined);
  const data = join(folder, "data");
  const server = await start(["server", `--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${data}`, `--web.listen-address=127.0.0.1:${http}`, "--enable-feature=exemplar-storage"], http);
  const sidecar = await start(["sidecar", `--prometheus.url=${server.url}`, `--tsdb.path=${data}`, `--http-address=127.0.0.1:${sidecarHttp}`, `--grpc-address=127.0.0.1:${sidecarGrpc}`], sidecarHttp);
  const query = await start(["query", `--http-address=127.0.0.1:${queryHttp}`, `--grpc-address=127.0.0.1:${queryGrpc}`, `--endpoint=127.0.0.1:${sidecarGrpc}`, `--endpoint=127.0.0.1:${dead}`], queryHttp);
  const stop = async () => {
    await Promise.all([query.stop(), sidecar.stop(), server.stop()]);
    for (const one of [exporter, others]) {
      one.closeAllConnections();
      one.close();
    }
    rmSync(folder, { recursive: true, force: true });
  };
  return { server, query, dead: `127.0.0.1:${dead}`, alive: `127.0.0.1:${sidecarGrpc}`, stop };
}

/** Exemplars lie far above the values, where they sit at the upper edge of a graph. */
function exposition(): string {
  const now = Date.now() / 1000;
  const count = Math.floor(now) % 100_000;
  const bounds = [0.1, 0.2, 0.4, 0.8, 1.6];
  const exemplar = `# {trace_id="4bf92f3577b34da6"} 1e9 ${now.toFixed(3)}`;
  return [
    "# TYPE requests counter",
    "# HELP requests Requests that were served.",
    ...["200", "404", "500"].map((code, i) => `requests_total{code="${code}"} ${count * (3 - i)} ${i === 0 ? exemplar : ""}`.trim()),
    "# TYPE latency_seconds histogram",
    "# UNIT latency_seconds seconds",
    ...bounds.map((le, i) => `latency_seconds_bucket{le="${le}"} ${count * (i + 1)}`),
    `latency_seconds_bucket{le="+Inf"} ${count * 6}`,
    `latency_seconds_count ${count * 6}`,
    `latency_seconds_sum ${count * 2}`,
    "# TYPE wave gauge",
    ...Array.from({ length: WAVES }, (_, i) => `wave{i="${i}"} ${i + ((count * 7 + i * 13) % 50)}`),
    "# EOF\n",
  ].join("\n");
}
