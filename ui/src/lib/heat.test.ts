import { expect, test } from "vitest";
import { toHeat } from "./heat";

test("native buckets become cells; coarse ones are spread", () => {
  const heat = toHeat(
    {
      resultType: "matrix",
      result: [
        { metric: {}, histograms: [[0, { count: "3", sum: "1", buckets: [[0, "1", "2", "1"], [0, "2", "4", "2"]] }], [10, { count: "4", sum: "1", buckets: [[0, "1", "4", "4"]] }]] },
      ],
    },
    0,
    10_000,
    10_000,
  );
  expect(heat).toMatchObject({ bounds: [1, 2, 4], columns: 2, most: 2 });
  expect([...(heat?.cells ?? [])]).toEqual([1, 2, 2, 2]);
});

test("classic buckets are counted apart", () => {
  const heat = toHeat(
    { resultType: "matrix", result: [{ metric: { le: "+Inf" }, values: [[0, "5"]] }, { metric: { le: "1" }, values: [[0, "2"]] }] },
    0,
    0,
    10_000,
  );
  expect(heat?.bounds).toEqual([0, 1, Infinity]);
  expect([...(heat?.cells ?? [])]).toEqual([2, 3]);
  expect(toHeat({ resultType: "matrix", result: [] }, 0, 0, 1)).toBeUndefined();
});
