// Where in the expression a message points: errors of the parser hold "line:column: parse error: what", annotations end with
// "(line:column)".

export interface Place {
  /** From 1, as is the column. */
  line: number;
  column: number;
  text: string;
}

export function errorPlace(message: string): Place | undefined {
  const found = /(\d+):(\d+): (?:parse error: )?([\s\S]*)$/.exec(message);
  const noted = /^([\s\S]*) \((\d+):(\d+)\)$/.exec(message);
  if (noted) return { line: Number(noted[2]), column: Number(noted[3]), text: noted[1] as string };
  return found ? { line: Number(found[1]), column: Number(found[2]), text: found[3] as string } : undefined;
}
