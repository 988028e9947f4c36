// Holds the size budgets of the built app: bytes after gzip, by what a page loads. Run after `vite build`; fails when one is broken.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const assets = new URL("../dist/assets/", import.meta.url);
const sizes = readdirSync(assets).map((name) => ({ name, bytes: gzipSync(readFileSync(new URL(name, assets)), { level: 9 }).length }));
const isEditor = (name) => /^codemirror-/.test(name);
const sum = (list) => list.reduce((total, one) => total + one.bytes, 0);

const drawing = sizes.filter((one) => /^(index|query|virtual|format|result|parameter)-/.test(one.name));
// A chunk that was renamed or split must not slip out of its budget: each name stands for something that is there.
const wanted = ["codemirror", "index", "query", "virtual", "format"];
const missing = wanted.filter((name) => !sizes.some((one) => one.name.startsWith(`${name}-`) && one.name.endsWith(".js")));
if (missing.length > 0) {
  console.error(`no chunk named ${missing.join(", ")}: bring this script up to date`);
  process.exit(1);
}
const budgets = [
  { what: "shell, graph and table", bytes: sum(drawing), most: 60_000 },
  { what: "the same with the editor", bytes: sum(drawing) + sum(sizes.filter((one) => isEditor(one.name))), most: 190_000 },
  { what: "everything", bytes: sum(sizes), most: 200_000 },
];

for (const one of sizes.sort((a, b) => b.bytes - a.bytes)) console.log(`${String(one.bytes).padStart(8)}  ${one.name}`);
let broken = false;
for (const { what, bytes, most } of budgets) {
  console.log(`${String(bytes).padStart(8)}  ${what} (at most ${most})${bytes > most ? "  TOO LARGE" : ""}`);
  broken ||= bytes > most;
}
if (broken) process.exit(1);
