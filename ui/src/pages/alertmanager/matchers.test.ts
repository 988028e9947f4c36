import { expect, test } from "vitest";
import { matchersText, oneMatcher, parseMatchers, passesAbsence, problemOf } from "./matchers";

const parsed = (text: string) => parseMatchers(text).matchers;

test("matchers go to text and back", () => {
  for (const text of ['{a="b,\\"c\\"", d!~"x.*", "ö b"!="1"}', '{a="line\\nbreak \\\\d"}', '{a=""}']) expect(matchersText(parsed(text) ?? [])).toBe(text);
  expect(parsed("severity=critical, team=~db.*")).toEqual([
    { name: "severity", value: "critical", isEqual: true, isRegex: false },
    { name: "team", value: "db.*", isEqual: true, isRegex: true },
  ]);
  expect([parsed(""), parsed("{}"), parsed("a!=b,")?.length]).toEqual([[], [], 1]);
});

test("what is no matcher says why", () => {
  expect(parseMatchers("nonsense").problem).toContain("after nonsense");
  expect(parseMatchers('{a="b"').problem).toContain("}");
  expect(parseMatchers('a="b" c="d"').problem).toContain("comma");
  expect(parseMatchers('a="b').problem).toContain("quote");
  expect(parseMatchers("=b").problem).toContain("no label name");
  expect([oneMatcher("a=b")?.name, oneMatcher("a=b,c=d")]).toEqual(["a", undefined]);
});

test("a matcher is checked as it is typed", () => {
  const regex = (value: string) => problemOf({ name: "a", value, isRegex: true });
  expect([regex("a.*"), regex("(?i)x"), regex("[[:alpha:]]+")]).toEqual([undefined, undefined, undefined]);
  expect(regex("a(")).toContain("no regular expression");
  expect(problemOf({ name: "", value: "", isRegex: false })).toBeDefined();
});

test("what passes where the label is not there", () => {
  const passes = (value: string, isRegex: boolean, isEqual: boolean) => passesAbsence({ name: "a", value, isRegex, isEqual });
  expect([passes("", false, true), passes(".*", true, true), passes("x", false, false), passes("x", true, false)]).toEqual([true, true, true, true]);
  expect([passes("x", false, true), passes(".+", true, true), passes("", false, false), passes(".*", true, false)]).toEqual([false, false, false, false]);
});
