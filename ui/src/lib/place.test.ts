import { expect, test } from "vitest";
import { errorPlace } from "./place";

test("errors name their place", () => {
  expect(errorPlace('invalid parameter "query": 1:5: parse error: unclosed left parenthesis')).toEqual({ line: 1, column: 5, text: "unclosed left parenthesis" });
  expect(errorPlace('metric might not be a counter: "x" (2:6)')).toEqual({ line: 2, column: 6, text: 'metric might not be a counter: "x"' });
  expect(errorPlace("query timed out")).toBeUndefined();
});
