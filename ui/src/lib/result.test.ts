import { expect, test } from "vitest";
import { graphCsv, type QueryData, tableCsv, tableRows, toLines } from "./result";

const matrix: QueryData = {
  resultType: "matrix",
  result: [
    { metric: { __name__: "a" }, values: [[10, "1"], [30, "NaN"], [40, "+Inf"]] },
    { metric: { __name__: "b", x: "1,2" }, values: [[20, "2.5"]] },
  ],
};

test("series are laid on the grid, with gaps", () => {
  const drawn = toLines(matrix, 10_000, 40_000, 10_000);
  expect(drawn.times).toEqual([10, 20, 30, 40]);
  expect(drawn.lines.map((l) => l.values)).toEqual([[1, null, null, null], [null, 2.5, null, null]]);
  expect(graphCsv(drawn).split("\n").slice(0, 3)).toEqual(['time,a,"b{x=""1,2""}"', "1970-01-01 00:00:10Z,1,", "1970-01-01 00:00:20Z,,2.5"]);
});

test("rows of every kind of result", () => {
  expect(tableRows({ resultType: "scalar", result: [1, "2"] })).toEqual([{ name: "scalar", value: "2", number: 2 }]);
  const rows = tableRows({ resultType: "vector", result: [{ metric: {}, histogram: [1, { count: "3", sum: "4" }] }] });
  expect(rows[0]).toMatchObject({ value: "count 3, sum 4", number: 3 });
  expect(tableCsv(tableRows(matrix))).toBe('series,value\na,"1 @10\nNaN @30\n+Inf @40"\n"b{x=""1,2""}",2.5 @20');
});
