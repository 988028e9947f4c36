// The metrics explorer: every metric with type, unit and help. A server with more names than one answer holds searches itself.
import { useMemo, useState } from "preact/hooks";
import { type Entry, Picker } from "../../components/picker";
import { useSettled } from "../../lib/parameter";
import { useAsk } from "../../lib/use";

const MOST = 20_000;

interface Meta {
  type: string;
  help: string;
  unit: string;
}

export function Explorer({ onPick, onClose }: { onPick: (name: string) => void; onClose: () => void }) {
  const [text, setText] = useState("");
  const settled = useSettled(text);
  const all = useAsk<string[]>("label/__name__/values", { limit: MOST }, "");
  const meta = useAsk<Record<string, Meta[]>>("metadata", { limit_per_metric: 1 }, "");
  const cut = (all.answer?.data.length ?? 0) >= MOST;
  const pattern = `.*${settled.trim().replace(/[^a-zA-Z0-9_:]+/g, ".*")}.*`;
  const searched = useAsk<string[]>(
    cut && settled.trim() !== "" ? "label/__name__/values" : undefined,
    { limit: MOST, "match[]": `{__name__=~${JSON.stringify(pattern)}}` },
    pattern,
  );
  const list = searched.answer?.data ?? all.answer?.data;
  const entries = useMemo<Entry[]>(() => {
    const known = meta.answer?.data ?? {};
    return (list ?? []).map((name) => {
      const one = (known[name] ?? known[name.replace(/_(count|sum|bucket|total|created|info)$/, "")])?.[0];
      return { key: name, title: name, mono: true, kind: one ? `${one.type}${one.unit ? `, ${one.unit}` : ""}` : undefined, detail: one?.help };
    });
  }, [list, meta.answer]);
  const unknown = meta.error ? `types and help are not known here: ${meta.error.message}` : undefined;
  const note = all.error ? all.error.message : all.loading && !list ? "waiting for the names …" : cut ? "more names than are listed: the server searches as you type" : unknown;
  return <Picker label="Metrics" placeholder="Search metrics by name, type or help" entries={entries} onPick={(entry) => onPick(entry.key)} onClose={onClose} onText={setText} note={note} />;
}
