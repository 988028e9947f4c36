import { expect, test } from "vitest";
import { cut, type Operator, settingsText, steps } from "./explain";
import { formatDuration } from "./time";

const leaf: Operator = { operator: "select", name: "up", gives: "range", args: { selection: 0, rangeMs: 300_000, offsetMs: 0, atMs: null, smoothed: false }, fused: true, inputs: [] };

test("operators come before their inputs, each a level deeper", () => {
  const root = { ...leaf, operator: "join", inputs: [{ ...leaf, operator: "window", inputs: [leaf] }, leaf] };
  expect(steps(root).map(({ of, depth }) => `${depth} ${of.operator}`)).toEqual(["0 join", "1 window", "2 select", "1 select"]);
});

test("byte offsets cut where characters of several bytes stand before", () => {
  expect(cut('up{a="ö😀"} + x', 15, 16)).toEqual(['up{a="ö😀"} ', "+", " x"]);
  expect(cut("up", 0, 2)).toEqual(["", "up", ""]);
  expect(cut('"ö"', 2, 3)).toEqual(['"', "ö", '"']);
  expect(cut("up", 5, 9)).toEqual(["up", "", ""]);
});

test("settings say what differs from nothing", () => {
  expect(settingsText(leaf, formatDuration)).toBe("range 5m");
  expect(settingsText({ ...leaf, args: { op: "sum", by: ["job", "x"] } }, formatDuration)).toBe("by (job, x)");
  expect(settingsText({ ...leaf, args: { atMs: 0, scalarOnTheLeft: true, value: "+Inf" } }, formatDuration)).toBe("at 1970-01-01T00:00:00.000Z, scalar on the left, value +Inf");
});
