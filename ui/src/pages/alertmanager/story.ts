// What the ledger says of one alert, told by receiver: was someone told, when, of what, or why not.
import type { LedgerEntry } from "./api";

export interface Verdict {
  receiver: string;
  state: "told" | "failed" | "trying" | "quiet" | "waits";
  /** How it stands, a clause after the receiver's name. */
  text: string;
  /** When it was told last, where it is not told now. */
  before?: string;
}

const STATES: Record<string, Verdict["state"]> = { sent: "told", told: "told", failed: "failed", attempt: "trying", suppressed: "quiet", resumed: "waits", grouped: "waits" };

/** The last word on each receiver, and by what integration where several speak; entries newest first. */
export function verdicts(entries: readonly LedgerEntry[], when: (at: string) => string): Verdict[] {
  const found = new Map<string, Verdict>();
  for (const entry of entries) {
    const state = STATES[entry.event];
    if (state === undefined || entry.receiver === undefined) continue;
    const known = found.get(entry.receiver);
    if (known) {
      // Told before it became quiet, or before a later one failed: that is half of the answer.
      if (state === "failed" && known.state === "trying" && !known.before) known.state = "failed";
      if (state === "told" && known.state !== "told" && !known.before) known.before = when(entry.toldAt ?? entry.at);
      continue;
    }
    found.set(entry.receiver, { receiver: entry.receiver, state, text: clause(entry, when) });
  }
  return [...found.values()].sort((a, b) => a.receiver.localeCompare(b.receiver));
}

function clause(entry: LedgerEntry, when: (at: string) => string): string {
  const { integration, error, reason } = entry;
  switch (entry.event) {
    case "sent":
      return `was told by ${integration} ${when(entry.at)}: ${reason}`;
    case "told":
      return `was told by a peer, by ${integration} ${when(entry.toldAt ?? entry.at)}`;
    case "failed":
      return `was not told: ${integration} failed ${when(entry.at)} and is tried again when the group speaks next: ${error}`;
    case "attempt":
      return `is not told yet: ${integration} failed ${when(entry.at)} and is tried again: ${error}`;
    case "suppressed":
      return `is not told: ${entry.text.replace(/^not told to .*?: /, "")}`;
    case "resumed":
      return "will be told when its group speaks next: nothing keeps it quiet any more";
    default:
      return `will be told when its group speaks, ${when(entry.flushAt ?? entry.at)}`;
  }
}

export const EVENTS: readonly [event: string, title: string, badge: string][] = [
  ["received", "reported", ""],
  ["restored", "restored", ""],
  ["limited", "refused", "bad"],
  ["grouped", "grouped", ""],
  ["suppressed", "kept quiet", "warn"],
  ["resumed", "no longer quiet", ""],
  ["attempt", "tried", "warn"],
  ["sent", "told", "good"],
  ["failed", "failed", "bad"],
  ["told", "told by a peer", "good"],
  ["duplicate", "told twice", "warn"],
  ["forgotten", "forgotten", ""],
];

/** Choices of the page: events that belong together. */
export const CHOICES: Readonly<Record<string, { title: string; events: readonly string[] }>> = {
  "": { title: "Everything", events: [] },
  told: { title: "Told", events: ["sent", "told", "duplicate"] },
  quiet: { title: "Kept quiet", events: ["suppressed", "resumed", "limited"] },
  failed: { title: "Failed", events: ["failed", "attempt"] },
  came: { title: "Came and went", events: ["received", "restored", "grouped", "forgotten"] },
};
