// The real binary on a free port of loopback, scraping itself, one target that refuses and one that relabelling drops.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const binary = process.env.GAUNTLET_BIN ?? new URL("../../target/debug/gauntlet", import.meta.url).pathname;

export interface Running {
  /** With the route prefix, without a slash at its end. */
  url: string;
  host: string;
  stop: () => Promise<void>;
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

export async function startServer(prefix = ""): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "gauntlet-e2e-"));
  const port = await freePort();
  const self = `127.0.0.1:${port}`;
  writeFileSync(
    join(folder, "prometheus.yml"),
    `global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
- { job_name: self, metrics_path: ${prefix}/metrics, static_configs: [{ targets: ["${self}"] }] }
- { job_name: refused, static_configs: [{ targets: ["127.0.0.1:1"] }] }
- job_name: dropped
  static_configs: [{ targets: ["gone:1"] }]
  relabel_configs: [{ source_labels: [__address__], regex: "gone.*", action: drop }]
`,
  );
  const args = ["server", `--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=${self}`];
  if (prefix !== "") args.push(`--web.external-url=http://${self}${prefix}`);
  return ready(spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] }), self, prefix, () => rmSync(folder, { recursive: true, force: true }));
}

export async function startQuery(): Promise<Running> {
  const [http, grpc, dead] = [await freePort(), await freePort(), await freePort()];
  const self = `127.0.0.1:${http}`;
  const args = ["query", `--http-address=${self}`, `--grpc-address=127.0.0.1:${grpc}`, `--endpoint=127.0.0.1:${dead}`];
  return ready(spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] }), self, "", () => undefined);
}

/** A server of alerts: one receiver that is told, one that refuses, one whose route is always mute; a prefix where one is wanted. */
export async function startAlertmanager(prefix = ""): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "gauntlet-e2e-"));
  const sink = createHttpServer((_, response) => void response.end());
  const [port, sinkPort, cluster] = [await freePort(), await freePort(), await freePort()];
  await new Promise<void>((resolve) => sink.listen(sinkPort, "127.0.0.1", resolve));
  const self = `127.0.0.1:${port}`;
  writeFileSync(
    join(folder, "am.yml"),
    `route:
  receiver: everybody
  group_by: [alertname, cluster]
  group_wait: 1s
  group_interval: 1s
  routes:
  - { matchers: ['team="db"'], receiver: database-team, group_by: [alertname, instance], continue: true }
  - { matchers: ['severity="info"'], receiver: nobody, mute_time_intervals: [always] }
receivers:
- { name: everybody, webhook_configs: [{ url: "http://127.0.0.1:${sinkPort}/" }] }
- { name: database-team, webhook_configs: [{ url: "http://127.0.0.1:1/" }] }
- { name: nobody }
inhibit_rules:
- { source_matchers: ['alertname="ClusterDown"'], target_matchers: ['severity="warning"'], equal: [cluster] }
time_intervals:
- { name: always, time_intervals: [{ times: [{ start_time: "00:00", end_time: "24:00" }] }] }
`,
  );
  const args = ["alertmanager", `--config.file=${join(folder, "am.yml")}`, `--storage.path=${join(folder, "data")}`, `--web.listen-address=${self}`];
  args.push(`--cluster.listen-address=127.0.0.1:${cluster}`, "--cluster.settle-timeout=0s");
  if (prefix !== "") args.push(`--web.external-url=http://${self}${prefix}`);
  return ready(spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] }), self, prefix, () => {
    sink.closeAllConnections();
    sink.close();
    rmSync(folder, { recursive: true, force: true });
  });
}

export async function ready(child: ChildProcess, host: string, prefix: string, clean: () => void): Promise<Running> {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(timer);
    clean();
  };
  const url = `http://${host}${prefix}`;
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`the binary ended:\n${said}`);
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (answer?.ok) return { url, host, stop };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  throw new Error(`the binary was not ready in time:\n${said}`);
}

/** A proxy that serves `to` below a prefix which it takes away again. */
export async function startProxy(to: Running, prefix: string): Promise<Running> {
  const server = createHttpServer((request, response) => {
    const path = request.url ?? "/";
    if (!path.startsWith(prefix)) {
      response.writeHead(404).end();
      return;
    }
    void fetch(`http://${to.host}${path.slice(prefix.length)}`, { redirect: "manual" }).then(async (answer) => {
      const headers = Object.fromEntries([...answer.headers].filter(([name]) => !/^(content-encoding|content-length|transfer-encoding)$/.test(name)));
      response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const host = `127.0.0.1:${port}`;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://${host}${prefix}`, host, stop };
}
