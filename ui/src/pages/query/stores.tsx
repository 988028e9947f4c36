// Choices of the role `query`: replicas, missing stores, resolution, and which stores to ask.
import type { Panel } from "../../lib/panels";
import { features } from "../../lib/role";
import { useAsk } from "../../lib/use";

interface Props {
  panel: Panel;
  onChange: (panel: Panel) => void;
}

type Choice = "" | "yes" | "no";

const choice = (value: boolean | undefined): Choice => (value === undefined ? "" : value ? "yes" : "no");
const chosen = (text: string): boolean | undefined => (text === "" ? undefined : text === "yes");

export function StoreControls({ panel, onChange }: Props) {
  const offered = features.value.store_match === true;
  const stores = useAsk<Record<string, { name: string }[]>>(offered ? "stores" : undefined, {}, "");
  const names = Object.values(stores.answer?.data ?? {}).flatMap((list) => list.map((store) => store.name));
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
      {offered && names.length > 0 ? (
        <label class="field">
          <span>Store</span>
          <select
            value={panel.stores[0] ?? ""}
            onChange={(e) => onChange({ ...panel, stores: e.currentTarget.value === "" ? [] : [e.currentTarget.value] })}
          >
            <option value="">all</option>
            {names.map((name) => (
              <option key={name} value={`{__address__=${JSON.stringify(name)}}`}>
                {name}
              </option>
            ))}
          </select>
        </label>
      ) : null}
    </div>
  );
}
