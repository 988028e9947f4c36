// What the server behind this page is and can show: asked once, refreshed slowly.
import { computed, signal } from "@preact/signals";
import { ask } from "./api";
import { everywhere, ofAlerts } from "./pages";

/** One thing that runs, or one thing that needs attention, as the server's overview tells it. */
export interface Part {
  name: string;
  state: "good" | "warn" | "bad";
  text: string;
  /** For what is not good: what to do. */
  cure?: string | null;
  link?: string | null;
}

export interface LogLine {
  timeMs: number;
  level: string;
  message: string;
  fields: [string, string][];
}

export interface Overview {
  role: string;
  version: string;
  ready: boolean;
  notReady?: string | null;
  startedMs: number;
  /** Pages this role can fill, by their path. */
  pages: string[];
  parts: Part[];
  /** Last warnings and errors of the log, oldest first. */
  log: LogLine[];
}

export const overview = signal<Overview | undefined>(undefined);
export const overviewError = signal<string | undefined>(undefined);
/** When the overview last came, ms since the epoch. */
export const overviewAt = signal(0);
/** What the API offers beyond the peers' least, by name: `/api/v1/features`, its part `api`. */
export const features = signal<Record<string, boolean>>({});

/** Parts that need attention. */
export const troubles = computed(() => (overview.value?.parts ?? []).filter((part) => part.state !== "good"));

export async function refreshOverview(): Promise<void> {
  try {
    overview.value = (await ask<Overview>("status/overview")).data;
    overviewError.value = undefined;
    overviewAt.value = Date.now();
  } catch (error) {
    overviewError.value = error instanceof Error ? error.message : String(error);
  }
}

export async function refreshFeatures(): Promise<void> {
  try {
    features.value = (await ask<{ api?: Record<string, boolean> }>("features")).data.api ?? {};
  } catch {
    // A server that does not say offers the least.
  }
}

/** Whether the role has the page; before the first answer every common page may be there. */
export function has(page: string): boolean {
  const pages = overview.value?.pages;
  return everywhere.includes(page) || (pages === undefined ? !ofAlerts.includes(page) : pages.includes(page));
}
