// Choices of the role `query`: replicas, missing stores, resolution, and which stores to ask; and whether an answer is whole.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { address } from "../../lib/base";
import type { Panel } from "../../lib/panels";
import { features } from "../../lib/role";
import { useAsk } from "../../lib/use";

interface Store {
  name: string;
  lastError: string | null;
}

interface Props {
  panel: Panel;
  onChange: (panel: Panel) => void;
}

type Choice = "" | "yes" | "no";

const choice = (value: boolean | undefined): Choice => (value === undefined ? "" : value ? "yes" : "no");
const chosen = (text: string): boolean | undefined => (text === "" ? undefined : text === "yes");
const selector = (name: string) => `{__address__=${JSON.stringify(name)}}`;

/** Stores that the server knows, those that never answered included; undefined before they are known. */
const known = signal<Store[] | undefined>(undefined);

export function StoreControls({ panel, onChange }: Props) {
  const stores = useAsk<Record<string, Store[]>>("stores", { unanswered: true }, "", 15_000);
  useEffect(() => {
    if (stores.answer) known.value = Object.values(stores.answer.data).flat();
  }, [stores.answer]);
  const all = known.value ?? [];
  const toggle = (one: string) => onChange({ ...panel, stores: panel.stores.includes(one) ? panel.stores.filter((s) => s !== one) : [...panel.stores, one] });
  return (
    <div class="row tools no-print">
      <label class="field">
        <span>Replicas</span>
        <select value={choice(panel.dedup)} onChange={(e) => onChange({ ...panel, dedup: chosen(e.currentTarget.value) })}>
          <option value="">default</option>
          <option value="yes">merged</option>
          <option value="no">each shown</option>
        </select>
      </label>
      <label class="field">
        <span>Missing stores</span>
        <select value={choice(panel.partial)} onChange={(e) => onChange({ ...panel, partial: chosen(e.currentTarget.value) })}>
          <option value="">default</option>
          <option value="yes">warn</option>
          <option value="no">fail</option>
        </select>
      </label>
      <label class="field">
        <span>Coarsest resolution</span>
        <select value={panel.maxResolution ?? ""} onChange={(e) => onChange({ ...panel, maxResolution: e.currentTarget.value || undefined })}>
          <option value="">default</option>
          <option value="auto">by the step</option>
          <option value="0s">raw only</option>
          <option value="5m">5 minutes</option>
          <option value="1h">1 hour</option>
        </select>
      </label>
      {features.value.store_match && (all.length > 0 || panel.stores.length > 0) ? (
        <details
          class="choice"
          onKeyDown={(e) => {
            if (e.key === "Escape") e.currentTarget.open = false;
          }}
          onFocusOut={(e) => {
            if (e.relatedTarget instanceof Node && !e.currentTarget.contains(e.relatedTarget)) e.currentTarget.open = false;
          }}
        >
          <summary>Stores: {panel.stores.length === 0 ? "all" : `${panel.stores.length} chosen`}</summary>
          <div class="card">
            {all.map(({ name, lastError }) => (
              <label key={name}>
                <input type="checkbox" checked={panel.stores.includes(selector(name))} onChange={() => toggle(selector(name))} /> <span class="mono">{name}</span>{" "}
                {lastError ? <span class="badge bad">down</span> : null}
              </label>
            ))}
            {panel.stores
              .filter((one) => !all.some(({ name }) => selector(name) === one))
              .map((one) => (
                <label key={one}>
                  <input type="checkbox" checked onChange={() => toggle(one)} /> <span class="mono">{one}</span>
                </label>
              ))}
            {panel.stores.length > 0 ? (
              <button type="button" class="quiet" onClick={() => onChange({ ...panel, stores: [] })}>
                Ask all
              </button>
            ) : null}
          </div>
        </details>
      ) : null}
    </div>
  );
}

/** Whether stores are missing in an answer: those that warned, and those that are down, which nobody asks. */
export function Completeness({ panel, warnings }: { panel: Panel; warnings: readonly string[] }) {
  const all = known.value;
  if (all === undefined) return null;
  const asked = panel.stores.length === 0 ? all : all.filter(({ name }) => panel.stores.includes(selector(name)));
  if (asked.length === 0) return <span class="badge warn">no store is known</span>;
  const down = asked.filter((store) => store.lastError);
  if (warnings.length === 0 && down.length === 0) return <span class="badge good">complete: {asked.length === 1 ? "one store" : `${asked.length} stores`}</span>;
  const text = down.length > 0 ? `${down.length} of ${asked.length} stores down` : "see the warnings";
  return (
    <a class="badge warn" href={address("stores")} title={down.map(({ name, lastError }) => `${name}: ${lastError}`).join("\n")}>
      incomplete: {text}
    </a>
  );
}
