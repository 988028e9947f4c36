// Where an error of the parser lies: its messages hold "line:column: parse error: what".

export interface Place {
  /** From 1, as is the column. */
  line: number;
  column: number;
  text: string;
}

export function errorPlace(message: string): Place | undefined {
  const found = /(\d+):(\d+): (?:parse error: )?([\s\S]*)$/.exec(message);
  return found ? { line: Number(found[1]), column: Number(found[2]), text: found[3] as string } : undefined;
}
