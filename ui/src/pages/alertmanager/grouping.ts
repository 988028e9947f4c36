// Alerts in groups: those that their routes make, or by labels of one's choice; and which of them are wanted.
import { commonLabels, haystack, type LabelSet, matchesWords } from "../../lib/labels";
import type { Alert, Group } from "./api";

/** Why an alert is quiet; `active` where nothing keeps it so. */
export type Kind = "active" | "silenced" | "inhibited" | "muted";
export const KINDS: readonly Kind[] = ["active", "silenced", "inhibited", "muted"];

/** What keeps the alert quiet, all of it: an alert can be silenced and inhibited. */
export function kindsOf({ status }: Alert): Kind[] {
  const kinds: Kind[] = [];
  if (status.silencedBy.length > 0) kinds.push("silenced");
  if (status.inhibitedBy.length > 0) kinds.push("inhibited");
  if ((status.mutedBy ?? []).length > 0) kinds.push("muted");
  return kinds.length > 0 ? kinds : ["active"];
}

export interface Bundle {
  /** Stays the same while alerts come and go. */
  key: string;
  /** What the alerts of the group have in common by its making. */
  labels: LabelSet;
  /** Of groups that routes make. */
  receiver?: string;
  alerts: Alert[];
}

export interface Wanted {
  kinds: ReadonlySet<Kind>;
  /** Name of a receiver, or a regular expression of names; empty for all. */
  receiver: string;
  /** Words that labels or annotations hold. */
  text: string;
}

/** Whether names pass: the name itself, or what a regular expression of it matches. */
export function receiverTest(wanted: string): (name: string) => boolean {
  if (wanted === "") return () => true;
  let pattern: RegExp | undefined;
  try {
    pattern = new RegExp(`^(?:${wanted})$`);
  } catch {
    // Then it is a name.
  }
  return (name) => name === wanted || (pattern?.test(name) ?? false);
}

const hays = new WeakMap<Alert, string>();
function hayOf(alert: Alert): string {
  let hay = hays.get(alert);
  if (hay === undefined) hays.set(alert, (hay = haystack(alert.labels, haystack(alert.annotations))));
  return hay;
}

/** Groups as routes make them, reduced to wanted alerts; empty ones are left out. */
export function filtered(groups: readonly Group[], { kinds, receiver, text }: Wanted): Bundle[] {
  const passes = receiverTest(receiver);
  const bundles: Bundle[] = [];
  for (const group of groups) {
    if (!passes(group.receiver.name)) continue;
    // Quiet for a reason that is not wanted: not shown, as the peer has it.
    const alerts = group.alerts.filter((alert) => kindsOf(alert).every((kind) => kinds.has(kind)) && matchesWords(hayOf(alert), text));
    if (alerts.length > 0) bundles.push({ key: `${group.receiver.name} ${JSON.stringify(group.labels)}`, labels: group.labels, receiver: group.receiver.name, alerts });
  }
  // Routes with equal labels and receivers make groups of their own: keys must differ all the same.
  const seen = new Map<string, number>();
  for (const bundle of bundles) {
    const count = seen.get(bundle.key) ?? 0;
    seen.set(bundle.key, count + 1);
    if (count > 0) bundle.key += ` ${count}`;
  }
  return bundles;
}

/** Each alert once. One that some groups mute and others do not is told: it counts as not muted. */
export function distinct(bundles: readonly Bundle[]): Alert[] {
  const found = new Map<string, Alert>();
  for (const { alerts } of bundles) {
    for (const alert of alerts) {
      const known = found.get(alert.fingerprint);
      if (!known || ((known.status.mutedBy ?? []).length > 0 && (alert.status.mutedBy ?? []).length === 0)) found.set(alert.fingerprint, alert);
    }
  }
  return [...found.values()];
}

/** The alerts in groups by the values of these labels; without labels one group. Largest first. */
export function groupBy(alerts: readonly Alert[], names: readonly string[]): Bundle[] {
  const found = new Map<string, Bundle>();
  for (const alert of alerts) {
    const labels: LabelSet = {};
    for (const name of names) if (alert.labels[name] !== undefined) labels[name] = alert.labels[name] as string;
    const key = JSON.stringify(labels);
    const bundle = found.get(key);
    if (bundle) bundle.alerts.push(alert);
    else found.set(key, { key, labels, alerts: [alert] });
  }
  return [...found.values()].sort((a, b) => b.alerts.length - a.alerts.length || a.key.localeCompare(b.key));
}

export type Row = { kind: "group"; key: string; bundle: Bundle; folded: boolean; shared: LabelSet } | {
      kind: "alert";
      key: string;
      alert: Alert;
      hide: LabelSet;
      /** The group, where the alert is alone in it and stands for it. */
      alone?: Bundle;
    };

/** The list as it is drawn: heads of groups, and the alerts of those that are not folded, newest first. A group of one has no head. */
export function rows(bundles: readonly Bundle[], isFolded: (key: string) => boolean): Row[] {
  const out: Row[] = [];
  for (const bundle of bundles) {
    const [only] = bundle.alerts;
    if (only && bundle.alerts.length === 1) {
      out.push({ kind: "alert", key: `a ${bundle.key} ${only.fingerprint}`, alert: only, hide: {}, alone: bundle });
      continue;
    }
    const folded = isFolded(bundle.key);
    // What all have in common is said once, at the head.
    const shared = { ...commonLabels(bundle.alerts.map((alert) => alert.labels)), ...bundle.labels };
    out.push({ kind: "group", key: `g ${bundle.key}`, bundle, folded, shared });
    if (folded) continue;
    const sorted = [...bundle.alerts].sort((a, b) => (a.startsAt < b.startsAt ? 1 : a.startsAt > b.startsAt ? -1 : a.fingerprint < b.fingerprint ? -1 : 1));
    for (const alert of sorted) out.push({ kind: "alert", key: `a ${bundle.key} ${alert.fingerprint}`, alert, hide: shared });
  }
  return out;
}

/** Names of labels by how many alerts have them, the most common first. */
export function labelNames(alerts: readonly Alert[]): string[] {
  const counts = new Map<string, number>();
  for (const alert of alerts) for (const name of Object.keys(alert.labels)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || a.localeCompare(b)).map(([name]) => name);
}

/** Values of a label, the most common first, at most `most`. */
export function labelValues(alerts: readonly Alert[], name: string, most: number): string[] {
  const counts = new Map<string, number>();
  for (const alert of alerts) {
    const value = alert.labels[name];
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort(([a, n], [b, m]) => m - n || a.localeCompare(b)).slice(0, most).map(([value]) => value);
}
