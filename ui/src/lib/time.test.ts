import { expect, test } from "vitest";
import { autoStep, formatDuration, parseDuration, parseTime, timeText } from "./time";

test("durations are read and written as Prometheus does", () => {
  expect([parseDuration("1h30m"), parseDuration("5x"), parseDuration("")]).toEqual([5_400_000, undefined, undefined]);
  expect([formatDuration(5_400_000), formatDuration(604_800_000), formatDuration(0)]).toEqual(["1h30m", "1w", "0s"]);
});

test("times may be relative", () => {
  expect(parseTime("now-5m", 1_000_000, true)).toBe(700_000);
  expect(parseTime("2026-01-02 03:04", 0, true)).toBe(Date.UTC(2026, 0, 2, 3, 4));
  expect(parseTime("nonsense", 0, true)).toBeUndefined();
});

test("steps are round", () => {
  expect([autoStep(3_600_000), autoStep(86_400_000), autoStep(1000)]).toEqual([15_000, 600_000, 1000]);
});

test("what a field shows is read back as the same time", () => {
  for (const utc of [true, false]) expect(parseTime(timeText(1_700_000_000_000, utc), 0, utc)).toBe(1_700_000_000_000);
});
