import { expect, test } from "vitest";
import { Heights } from "./rows";

test("rows are found by distance, guessed or measured", () => {
  const heights = new Heights(10);
  heights.setKeys(["a", "b", "c", "d"]);
  expect([heights.total(), heights.at(0), heights.at(9.9), heights.at(10), heights.at(1000)]).toEqual([40, 0, 0, 1, 3]);
  expect(heights.measure("b", 50)).toBe(40);
  expect(heights.measure("b", 50)).toBe(0);
  expect([heights.total(), heights.at(59), heights.at(60), heights.offset(2)]).toEqual([80, 1, 2, 60]);
});

test("a row keeps its height when the order changes", () => {
  const heights = new Heights(10);
  heights.setKeys(["a", "b"]);
  heights.measure("a", 30);
  heights.setKeys(["b", "a", "c"]);
  expect([heights.offset(1), heights.offset(2), heights.total()]).toEqual([10, 40, 50]);
  heights.setKeys([]);
  expect([heights.total(), heights.at(5)]).toEqual([0, 0]);
});
