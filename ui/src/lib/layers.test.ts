import { expect, test } from "vitest";
import { layers } from "./layers";

const lines = [
  { labels: {}, values: [1, null, null] },
  { labels: {}, values: [10, 20, null] },
  { labels: {}, values: [100, 200, null] },
];

test("a stack adds up; what is missing adds nothing; where all is missing there is a gap", () => {
  expect(layers(lines, new Set(), true)).toEqual([[1, 0, null], [11, 20, null], [111, 220, null]]);
  expect(layers(lines, new Set([1]), true)).toEqual([[1, 0, null], [null, null, null], [101, 200, null]]);
  expect(layers(lines, new Set([1]), false)).toEqual(lines.map((line) => line.values));
});
