// Holds the size budgets of the built app: bytes after gzip of all that a page loads, by the graph of imports and not by names, so
// that no chunk slips out of its budget by being renamed or split. A plugin of the build, which it fails.
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** The frame with any one page. */
const PAGE_BYTES = 60_000;
/** The query page with any part of it that few people open. */
const PART_BYTES = 70_000;
/** The query page with its editor, which comes late. */
const EDITOR_BYTES = 190_000;
const QUERY = "src/pages/query.tsx";
const EDITOR = "src/components/codemirror.tsx";

interface Chunk {
  type: "chunk";
  fileName: string;
  moduleIds: string[];
  isEntry: boolean;
  imports: string[];
  dynamicImports: string[];
  code: string;
  viteMetadata?: { importedCss: Set<string> };
}

interface Asset {
  type: "asset";
  source: string | Uint8Array;
}

export function sizeBudgets(): Plugin {
  return {
    name: "size-budgets",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const problems = check(bundle as unknown as Record<string, Chunk | Asset>);
        if (problems.length > 0) this.error(problems.join("\n"));
      },
    },
  };
}

function check(bundle: Record<string, Chunk | Asset>): string[] {
  const sizes = new Map<string, number>();
  for (const [name, part] of Object.entries(bundle)) {
    if (/\.(js|css)$/.test(name)) sizes.set(name, gzipSync(part.type === "chunk" ? part.code : part.source, { level: 9 }).length);
  }
  const chunks = Object.values(bundle).filter((part) => part.type === "chunk");
  /** Files that loading these chunks brings, each once. */
  const files = (from: (Chunk | undefined)[]): Set<string> => {
    const out = new Set<string>();
    const visit = (chunk: Chunk | undefined) => {
      if (!chunk || out.has(chunk.fileName)) return;
      out.add(chunk.fileName);
      for (const css of chunk.viteMetadata?.importedCss ?? []) out.add(css);
      for (const name of chunk.imports) visit(bundle[name] as Chunk | undefined);
    };
    from.forEach(visit);
    return out;
  };
  const sum = (names: Iterable<string>) => [...names].reduce((total, name) => total + (sizes.get(name) ?? 0), 0);
  const of = (source: string) => chunks.find((chunk) => chunk.moduleIds.some((id) => id.endsWith(`/${source}`)));
  const shell = chunks.find((chunk) => chunk.isEntry);
  const late = new Set(chunks.flatMap((chunk) => chunk.dynamicImports).map((name) => bundle[name] as Chunk));
  const problems: string[] = [];
  for (const source of [QUERY, EDITOR]) if (!late.has(of(source) as Chunk)) problems.push(`${source} is not loaded by itself, which the size budgets go by`);

  const budgets: [what: string, bytes: number, most: number][] = [["the frame", sum(files([shell])), PAGE_BYTES]];
  for (const chunk of late) {
    const isEditor = chunk === of(EDITOR);
    const loads = files([shell, chunk]);
    const isPart = chunk !== of(QUERY) && loads.has(of(QUERY)?.fileName ?? "");
    budgets.push([isEditor ? `the frame, ${QUERY} and the editor` : `the frame and ${chunk.fileName}`, sum(files([shell, chunk, isEditor ? of(QUERY) : undefined])), isEditor ? EDITOR_BYTES : isPart ? PART_BYTES : PAGE_BYTES]);
  }
  console.log("bytes after gzip, with all that is imported:");
  for (const [what, bytes, most] of budgets) {
    console.log(`${String(bytes).padStart(8)}  of ${most}  ${what}`);
    if (bytes > most) problems.push(`${what}: ${bytes} bytes after gzip, at most ${most} are allowed`);
  }
  // Every file is in some budget: one that nothing imports would be dead weight in the binary.
  const counted = files([shell, ...late]);
  for (const name of sizes.keys()) if (!counted.has(name)) problems.push(`${name} is imported by nothing`);
  console.log(`${String(sum(sizes.keys())).padStart(8)}  everything`);
  return problems;
}
