// Alertmanager's API v2: typed answers, and one function that asks. Errors are texts or objects with a message there.
import { type Answer, ApiError, encode, type Parameters } from "../../lib/api";
import { address } from "../../lib/base";
import type { LabelSet } from "../../lib/labels";
import { type Asked, useAsk } from "../../lib/use";
import type { Matcher } from "./matchers";

export interface Alert {
  labels: LabelSet;
  annotations: LabelSet;
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  fingerprint: string;
  generatorURL?: string;
  receivers: { name: string }[];
  status: { state: "active" | "suppressed" | "unprocessed"; silencedBy: string[]; inhibitedBy: string[]; mutedBy: string[] };
}

/** A group as its route makes it. An alert is in one group of every route that takes it. */
export interface Group {
  labels: LabelSet;
  receiver: { name: string };
  alerts: Alert[];
}

export type SilenceState = "active" | "pending" | "expired";

export interface Silence {
  id: string;
  status: { state: SilenceState };
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  createdBy: string;
  comment: string;
}

export interface NewSilence {
  /** Of the one to change; none for a new one. */
  id?: string;
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
}

export interface LedgerEntry {
  number: number;
  at: string;
  event: string;
  alerts: { fingerprint: string; labels: LabelSet }[];
  /** Alerts beyond those listed. */
  more?: number;
  receiver?: string;
  integration?: string;
  error?: string;
  reason?: string;
  tries?: number;
  from?: string;
  change?: string;
  flushAt?: string;
  toldAt?: string;
  cause?: { kind: "inhibited" | "silenced" | "muted" | "inactive"; source?: string; rule?: string; silences?: string[]; intervals?: string[] };
  /** The entry as a sentence. */
  text: string;
}

export interface Ledger {
  entries: LedgerEntry[];
  /** For `before` of the next question; absent where nothing may follow. */
  next?: number;
}

export interface Route {
  id: string;
  depth: number;
  receiver: string;
  matchers: string[];
  groupBy: string[];
  groupByAll: boolean;
  groupWaitMs: number;
  groupIntervalMs: number;
  repeatIntervalMs: number;
  continue: boolean;
  muteTimeIntervals: string[];
  activeTimeIntervals: string[];
  groups: number;
  alerts: number;
  /** Whether it takes the labels that were asked with. */
  takes?: boolean;
}

export interface Status {
  uptime: string;
  versionInfo: Record<string, string>;
  config: { original: string };
}

async function send(path: string, init: RequestInit): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(address(`api/v2/${path}`), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached. Is it running?", "unreachable", 0);
  }
  const text = await response.text();
  let data: unknown = text;
  try {
    data = text === "" ? undefined : JSON.parse(text);
  } catch {
    // Proxies answer with pages.
  }
  if (response.ok) return data;
  const message = typeof data === "string" ? data : (data as { message?: string } | undefined)?.message;
  throw new ApiError(message || (response.status === 404 ? "There is none of this name (any more)." : response.statusText), "refused", response.status);
}

/** Asks `/api/v2/<path>`, in the shape that `useAsk` wants. */
export async function askV2<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<Answer<T>> {
  const query = encode(parameters);
  return { data: (await send(path + (query === "" ? "" : `?${query}`), { signal })) as T, warnings: [], infos: [] };
}

export function useV2<T>(path: string | undefined, parameters: Parameters, key: string, everyMs?: number): Asked<T> {
  return useAsk<T>(path, parameters, key, everyMs, askV2);
}

/** Makes or changes a silence; gives its id, which is a new one where the change could not be made in place. */
export async function saveSilence(silence: NewSilence): Promise<string> {
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(silence) };
  return ((await send("silences", init)) as { silenceID: string }).silenceID;
}

export async function expireSilence(id: string): Promise<void> {
  await send(`silence/${encodeURIComponent(id)}`, { method: "DELETE" });
}
