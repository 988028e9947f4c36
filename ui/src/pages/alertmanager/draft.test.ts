import { expect, test } from "vitest";
import type { Silence } from "./api";
import { type Draft, fromSilence, moment, mornings, problems, replaces, span, toApi } from "./draft";

const now = Date.parse("2026-11-24T10:00:00Z");
const hour = 3_600_000;
const draft: Draft = { matchers: [{ name: "a", value: "b", isRegex: false }], start: "", end: "", duration: "2h", createdBy: "me", comment: "why" };
const silence: Silence = { id: "1", status: { state: "active" }, matchers: draft.matchers, startsAt: "2026-11-24T09:00:00.5Z", endsAt: "2026-11-24T11:00:00.5Z", updatedAt: "", createdBy: "me", comment: "why" };
const text = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

test("times as people type them", () => {
  expect([moment("", now, true), moment("+2h", now, true), moment("now + 1d", now, true), moment("now-5m", now, true)]).toEqual([now, now + 2 * hour, now + 24 * hour, now - 300_000]);
  expect([moment("2026-11-24 12:00", now, true), moment("nonsense", now, true), moment("+x", now, true)]).toEqual([now + 2 * hour, undefined, undefined]);
});

test("an end that was typed wins over the duration", () => {
  expect(span(draft, now, true)).toEqual({ start: now, end: now + 2 * hour });
  expect(span({ ...draft, start: "+1h" }, now, true).end).toBe(now + 3 * hour);
  expect(span({ ...draft, end: "+30m" }, now, true).end).toBe(now + hour / 2);
  expect(toApi(draft, now, true)).toMatchObject({ startsAt: "2026-11-24T10:00:00.000Z", endsAt: "2026-11-24T12:00:00.000Z", matchers: [{ isEqual: true }] });
});

test("what is missing is said by field", () => {
  expect(problems(draft, now, true)).toEqual({});
  const names = (change: Partial<Draft>) => Object.keys(problems({ ...draft, ...change }, now, true));
  expect([names({ matchers: [] }), names({ matchers: [{ name: "a", value: ".*", isRegex: true }] }), names({ matchers: [{ name: "a", value: "(", isRegex: true }] })]).toEqual([["matchers"], ["matchers"], ["matchers"]]);
  expect([names({ start: "x" }), names({ duration: "2" }), names({ end: "now-1h" }), names({ start: "+3h", end: "+2h" })]).toEqual([["start", "end"], ["end"], ["end"], ["end"]]);
  expect(names({ createdBy: " ", comment: "" })).toEqual(["createdBy", "comment"]);
});

test("a silence can be changed and copied", () => {
  const edit = fromSilence(silence, "edit", text);
  expect(edit).toMatchObject({ id: "1", start: "2026-11-24 09:00:00", end: "2026-11-24 11:00:00", duration: "2h" });
  expect(fromSilence({ ...silence, status: { state: "expired" } }, "copy", text)).toMatchObject({ start: "", end: "", duration: "2h" });
  expect(fromSilence(silence, "copy", text).id).toBeUndefined();
  // One that was ended after a second was not meant to last that long.
  expect(fromSilence({ ...silence, status: { state: "expired" }, endsAt: "2026-11-24T09:00:01Z" }, "copy", text).duration).toBe("1h");
  const made = (change: Partial<Draft>) => replaces({ ...edit, ...change }, silence, now, true);
  expect([made({}), made({ end: "+5h" }), made({ comment: "x" }), made({ matchers: [] }), made({ start: "" })]).toEqual([false, false, false, true, true]);
  expect(made({ start: "2026-11-24 09:00:01" })).toBe(true);
  const pending: Silence = { ...silence, status: { state: "pending" } };
  expect([replaces({ ...edit, start: "+1h" }, pending, now, true), replaces({ ...edit, start: "" }, pending, now, true)]).toEqual([false, true]);
});

test("until the morning", () => {
  expect(mornings(now, true)).toEqual({ tomorrow: Date.parse("2026-11-25T09:00:00Z"), monday: Date.parse("2026-11-30T09:00:00Z") });
  // On a Monday the next one is meant.
  expect(mornings(Date.parse("2026-11-30T08:00:00Z"), true).monday).toBe(Date.parse("2026-12-07T09:00:00Z"));
});
