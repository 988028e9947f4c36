import { expect, test } from "vitest";
import { commonLabels, haystack, matchesWords, seriesText } from "./labels";

test("series read as they can be queried", () => {
  expect(seriesText({ __name__: "up", job: 'a"b' })).toBe('up{job="a\\"b"}');
  expect(seriesText({})).toBe("{}");
  expect(seriesText({ __name__: "http.requests", "service.name": "x" })).toBe('{"http.requests", "service.name"="x"}');
});

test("a filter is words that all occur", () => {
  const hay = haystack({ job: "Node", instance: "a:9100" }, "http://a:9100/metrics");
  expect([matchesWords(hay, 'job="node" 9100'), matchesWords(hay, "b:9100"), matchesWords(hay, "")]).toEqual([true, false, true]);
});

test("common labels are those that all have", () => {
  expect(commonLabels([{ a: "1", b: "2" }, { a: "1", b: "3" }])).toEqual({ a: "1" });
  expect(commonLabels([{ a: "1" }])).toEqual({});
});
