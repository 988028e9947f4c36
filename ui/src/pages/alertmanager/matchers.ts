// Matchers as parts and as text: `{a="b", c=~"d"}`, with or without braces, each value quoted or not, as people type them.
// The server has the last word on regular expressions; here is only what can be said while typing.

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  /** Absent: true, as old clients left it out. */
  isEqual?: boolean;
}

export const OPERATORS = ["=", "!=", "=~", "!~"] as const;
export type Operator = (typeof OPERATORS)[number];

export function operatorOf({ isEqual = true, isRegex }: Matcher): Operator {
  return isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!=";
}

export function matcher(name: string, operator: Operator, value: string): Matcher {
  return { name, value, isEqual: operator.startsWith("=") , isRegex: operator.endsWith("~") };
}

/** `"` and what cannot stand in a line are escaped as Go does it, which is less than JSON would. */
function quote(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(n|"|\\)/g, (_, c: string) => (c === "n" ? "\n" : c));
}

export function matcherText(one: Matcher): string {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(one.name) ? one.name : quote(one.name);
  return name + operatorOf(one) + quote(one.value);
}

export function matchersText(matchers: readonly Matcher[]): string {
  return matchers.length === 0 ? "" : `{${matchers.map(matcherText).join(", ")}}`;
}

export type Parsed = { matchers: Matcher[]; problem?: undefined } | { matchers?: undefined; problem: string };

/** Matchers of a text; what is wrong with it where it holds none. An empty text holds no matcher, which is no problem. */
export function parseMatchers(text: string): Parsed {
  let rest = text.trim();
  if (rest.startsWith("{")) {
    if (!rest.endsWith("}")) return { problem: 'the "}" at the end is missing' };
    rest = rest.slice(1, -1).trim();
  }
  const matchers: Matcher[] = [];
  while (rest !== "") {
    const name = /^("(?:\\.|[^"\\])*"|[^\s=!~,"'`{}]+)\s*/.exec(rest);
    if (!name) return { problem: `${excerpt(rest)} is no label name` };
    rest = rest.slice(name[0].length);
    const operator = /^(=~|!~|!=|=)\s*/.exec(rest);
    if (!operator) return { problem: `after ${name[1]} one of = != =~ !~ is wanted` };
    rest = rest.slice(operator[0].length);
    const value = /^("(?:\\[\s\S]|[^"\\])*"|[^\s,"'`{}]*)\s*/.exec(rest);
    const read = value?.[1] ?? "";
    rest = rest.slice(value?.[0].length ?? 0);
    if (rest !== "" && !rest.startsWith(",")) {
      return { problem: rest.startsWith('"') ? 'the quote at the end of the value is missing' : `a comma is wanted before ${excerpt(rest)}` };
    }
    rest = rest.slice(1).trim();
    const plain = (part: string) => (part.startsWith('"') ? unquote(part) : part);
    matchers.push(matcher(plain(name[1] as string), operator[1] as Operator, plain(read)));
  }
  return { matchers };
}

function excerpt(text: string): string {
  return text.length > 20 ? `${text.slice(0, 20)} …` : text;
}

/** What is wrong with a matcher as far as it can be told here. */
export function problemOf({ name, value, isRegex }: Matcher): string | undefined {
  if (name === "") return "a label name is wanted";
  if (!isRegex) return undefined;
  try {
    new RegExp(`^(?:${value})$`, "s");
    return undefined;
  } catch (error) {
    // Go knows flags and classes that JavaScript does not: that alone is left to the server.
    if (/\(\?[imsU-]+[:)]|\\[pPQEAzC]|\[\[:|\(\?P</.test(value)) return undefined;
    return (error as Error).message.replace(/^Invalid regular expression: \/.*\/\w*: /, "no regular expression: ");
  }
}

/** Whether the matcher passes labels that do not have its label. A silence of such matchers alone would silence everything. */
export function passesAbsence({ isEqual = true, isRegex, value }: Matcher): boolean {
  let matches = value === "";
  if (isRegex) {
    try {
      matches = new RegExp(`^(?:${value})$`, "s").test("");
    } catch {
      return false;
    }
  }
  return matches === isEqual;
}

/** A matcher of a text like `a="b"` that is exactly one. */
export function oneMatcher(text: string): Matcher | undefined {
  const { matchers = [] } = parseMatchers(text);
  return matchers.length === 1 ? matchers[0] : undefined;
}
