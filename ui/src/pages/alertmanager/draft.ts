// A silence while it is written: what its fields mean, what is missing, and times as people type them.
import { formatDuration, parseDuration, parseTime } from "../../lib/time";
import type { NewSilence, Silence } from "./api";
import { type Matcher, matcherText, passesAbsence, problemOf } from "./matchers";

export const DEFAULT_MS = 2 * 3_600_000;

export interface Draft {
  /** Of the one that is changed. */
  id?: string;
  matchers: Matcher[];
  /** As typed; empty for the moment it is saved. */
  start: string;
  end: string;
  duration: string;
  createdBy: string;
  comment: string;
}

/** `now`, `+2h`, `now-5m`, a date, seconds since 1970. */
export function moment(text: string, nowMs: number, utc: boolean): number | undefined {
  const ahead = /^(?:now)?\s*\+\s*(.+)$/.exec(text.trim());
  if (!ahead) return parseTime(text, nowMs, utc);
  const ms = parseDuration(ahead[1] as string);
  return ms === undefined ? undefined : nowMs + ms;
}

/** Start and end in ms; undefined where a field cannot be read. An end that was typed wins over a duration. */
export function span(draft: Draft, nowMs: number, utc: boolean): { start: number | undefined; end: number | undefined } {
  const start = moment(draft.start, nowMs, utc);
  if (draft.end.trim() !== "") return { start, end: moment(draft.end, nowMs, utc) };
  const ms = parseDuration(draft.duration);
  return { start, end: start === undefined || ms === undefined ? undefined : start + ms };
}

/** What keeps it from being saved, by field. */
export function problems(draft: Draft, nowMs: number, utc: boolean): Partial<Record<"matchers" | "start" | "end" | "createdBy" | "comment", string>> {
  const out: ReturnType<typeof problems> = {};
  const odd = draft.matchers.map(problemOf).find((problem) => problem !== undefined);
  if (draft.matchers.length === 0) out.matchers = "Say which alerts are meant: at least one matcher is wanted.";
  else if (odd) out.matchers = odd;
  else if (draft.matchers.every(passesAbsence)) out.matchers = "Every alert without these labels would be meant too: one matcher must ask for a value.";
  const { start, end } = span(draft, nowMs, utc);
  if (start === undefined) out.start = "This is no time.";
  if (end === undefined) out.end = draft.end.trim() === "" ? "A duration is a number and a unit: 30m, 2h, 1d12h, 1w." : "This is no time.";
  else if (end < nowMs) out.end = "It would be over already.";
  else if (start !== undefined && end <= start) out.end = "The end lies before the start.";
  if (draft.createdBy.trim() === "") out.createdBy = "Others want to know whom to ask.";
  if (draft.comment.trim() === "") out.comment = "Others want to know why.";
  return out;
}

/** As the API takes it; times must be readable. */
export function toApi(draft: Draft, nowMs: number, utc: boolean): NewSilence {
  const { start = nowMs, end = nowMs } = span(draft, nowMs, utc);
  const { id, matchers, createdBy, comment } = draft;
  return { id, matchers: matchers.map((one) => ({ ...one, isEqual: one.isEqual ?? true })), startsAt: new Date(start).toISOString(), endsAt: new Date(end).toISOString(), createdBy: createdBy.trim(), comment: comment.trim() };
}

/** A silence that is over may have been ended early; one like it lasts this long at least. */
const COPY_MS = 3_600_000;

/** The fields of a silence: to change it, or, without its id, for one like it from now on that lasts as long. */
export function fromSilence(silence: Silence, how: "edit" | "copy", text: (ms: number) => string): Draft {
  const [start, end] = [Date.parse(silence.startsAt), Date.parse(silence.endsAt)];
  const { matchers, createdBy, comment } = silence;
  const least = how === "copy" && silence.status.state === "expired" ? COPY_MS : 60_000;
  const duration = formatDuration(Math.max(Math.round((end - start) / 60_000) * 60_000, least));
  if (how === "copy") return { matchers, createdBy, comment, start: "", end: "", duration };
  return { id: silence.id, matchers, createdBy, comment, start: text(start), end: text(end), duration };
}

/** Whether saving makes a new silence and ends this one, as it does where what is silenced changes, or when it began. */
export function replaces(draft: Draft, before: Silence, nowMs: number, utc: boolean): boolean {
  const list = (matchers: readonly Matcher[]) => matchers.map(matcherText).sort().join();
  if (before.status.state === "expired" || list(draft.matchers) !== list(before.matchers)) return true;
  const { start } = span(draft, nowMs, utc);
  // The server compares whole seconds.
  const moved = start === undefined || Math.floor(start / 1000) !== Math.floor(Date.parse(before.startsAt) / 1000);
  return before.status.state === "active" ? moved : start === undefined || start <= nowMs;
}

/** The next morning at nine, and Monday's: until then most silences of the night and of the week's end are wanted. */
export function mornings(nowMs: number, utc: boolean): { tomorrow: number; monday: number } {
  const at = (days: number) => {
    const date = new Date(nowMs);
    if (utc) {
      date.setUTCDate(date.getUTCDate() + days);
      return date.setUTCHours(9, 0, 0, 0);
    }
    date.setDate(date.getDate() + days);
    return date.setHours(9, 0, 0, 0);
  };
  const day = utc ? new Date(nowMs).getUTCDay() : new Date(nowMs).getDay();
  return { tomorrow: at(1), monday: at((8 - day) % 7 || 7) };
}
