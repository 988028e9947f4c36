import { expect, test } from "vitest";
import type { LedgerEntry } from "./api";
import { CHOICES, EVENTS, verdicts } from "./story";

const entry = (number: number, event: string, more: Partial<LedgerEntry>): LedgerEntry => ({ number, at: `t${number}`, event, alerts: [], text: "", ...more });

test("the last word on each receiver is told", () => {
  const entries = [
    entry(6, "attempt", { receiver: "c", integration: "slack[0]", error: "refused" }),
    entry(5, "sent", { receiver: "a", integration: "webhook[0]", reason: "first notification" }),
    entry(4, "suppressed", { receiver: "b", text: "not told to b: silenced by 1" }),
    entry(3, "grouped", { receiver: "a", flushAt: "f" }),
    entry(3, "sent", { receiver: "b", integration: "mail[0]" }),
    entry(2, "grouped", { receiver: "d", flushAt: "f" }),
    entry(2, "failed", { receiver: "c", integration: "slack[0]", error: "refused" }),
    entry(1, "received", { from: "x" }),
  ];
  const found = verdicts(entries, (at) => `at ${at}`);
  expect(found.map(({ receiver, state }) => [receiver, state])).toEqual([["a", "told"], ["b", "quiet"], ["c", "failed"], ["d", "waits"]]);
  expect(found.map(({ before }) => before)).toEqual([undefined, "at t3", undefined, undefined]);
  expect(found.map(({ text }) => text)).toEqual([
    "was told by webhook[0] at t5: first notification",
    "is not told: silenced by 1",
    "is not told yet: slack[0] failed at t6 and is tried again: refused",
    "will be told when its group speaks, at f",
  ]);
});

test("each event belongs to one choice", () => {
  const chosen = Object.values(CHOICES).flatMap(({ events }) => events);
  expect(EVENTS.map(([event]) => event).sort()).toEqual([...chosen].sort());
});
