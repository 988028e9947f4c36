// What the server behind this page is and can show: asked once, refreshed slowly.
import { signal } from "@preact/signals";
import { ask } from "./api";

/** One thing that runs, or one thing that needs attention, as the server's overview tells it. */
export interface Part {
  name: string;
  state: "good" | "warn" | "bad";
  text: string;
  /** For what is not good: what to do. */
  cure?: string;
  link?: string;
}

export interface Overview {
  role: string;
  version: string;
  ready: boolean;
  notReady?: string;
  startedMs: number;
  /** Pages this role can fill, by their path. */
  pages: string[];
  parts: Part[];
  /** Last warnings and errors of the log, oldest first. */
  log: { timeMs: number; level: string; message: string; fields: [string, string][] }[];
}

export const overview = signal<Overview | undefined>(undefined);
export const overviewError = signal<string | undefined>(undefined);

export async function refreshOverview(): Promise<void> {
  try {
    overview.value = (await ask<Overview>("status/overview")).data;
    overviewError.value = undefined;
  } catch (error) {
    overviewError.value = error instanceof Error ? error.message : String(error);
  }
}

/** Whether the role has the page; before the first answer every page may be there. */
export function has(page: string): boolean {
  return overview.value === undefined || overview.value.pages.includes(page);
}
