// The filter bar: words narrow while they are typed, what reads as a matcher becomes one with Enter.
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import type { Alert } from "./api";
import { labelNames, labelValues } from "./grouping";
import { type Matcher, matcherText, parseMatchers } from "./matchers";

/** Most completions that are offered. */
const OFFERED = 60;

interface Props {
  matchers: readonly Matcher[];
  onMatchers: (matchers: Matcher[]) => void;
  /** Words; undefined where only matchers filter. */
  text?: string;
  onText?: (text: string) => void;
  /** Alerts whose labels are offered. */
  alerts: readonly Alert[];
  /** What the server said of the matchers. */
  problem?: string;
}

const OPERATOR = /[=!~{]/;

export function FilterBar({ matchers, onMatchers, text = "", onText, alerts, problem }: Props) {
  const [typed, setTyped] = useState(OPERATOR.test(text) ? "" : text);
  const [refused, setRefused] = useState<string>();
  const id = useId();
  // A link may bring other words.
  useEffect(() => {
    if (!OPERATOR.test(typed) && !OPERATOR.test(text) && typed.trim() !== text && onText) setTyped(text);
  }, [text]);
  const offers = useMemo(() => completions(typed, alerts), [typed, alerts]);
  const type = (value: string) => {
    setTyped(value);
    setRefused(undefined);
    onText?.(OPERATOR.test(value) ? "" : value.trim());
  };
  const enter = () => {
    if (typed.trim() === "" || (onText && !OPERATOR.test(typed))) return;
    const parsed = parseMatchers(typed);
    if (parsed.matchers === undefined) return setRefused(parsed.problem);
    onMatchers([...matchers, ...parsed.matchers]);
    setTyped("");
  };
  const without = (index: number) => matchers.filter((_, i) => i !== index);
  return (
    <div class="filterbar">
      {matchers.map((one, i) => (
        <span class="chip" key={i}>
          <button
            type="button"
            class="mono"
            title="Change this matcher"
            onClick={() => {
              setTyped(matcherText(one));
              onMatchers(without(i));
              document.getElementById(id)?.focus();
            }}
          >
            {matcherText(one)}
          </button>
          <button type="button" class="out" aria-label={`Remove ${matcherText(one)}`} onClick={() => onMatchers(without(i))}>
            ×
          </button>
        </span>
      ))}
      <input
        id={id}
        type="search"
        list={`${id}-offers`}
        autocomplete="off"
        spellcheck={false}
        aria-label={onText ? "Filter by words or matchers" : "Filter by matchers"}
        placeholder={onText ? 'Words, or a matcher: severity=~"crit.*"' : 'A matcher: severity="critical"'}
        value={typed}
        onInput={(e) => type(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === "Enter") enter();
          else if (e.key === "Backspace" && typed === "" && matchers.length > 0) {
            setTyped(matcherText(matchers[matchers.length - 1] as Matcher));
            onMatchers(without(matchers.length - 1));
            e.preventDefault();
          }
        }}
      />
      <datalist id={`${id}-offers`}>
        {offers.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      {refused ?? problem ? (
        <span class="refused" role="alert">
          {refused ?? problem}
        </span>
      ) : OPERATOR.test(typed) || (typed !== "" && !onText) ? (
        <span class="muted">
          <kbd>Enter</kbd> filters
        </span>
      ) : null}
    </div>
  );
}

/** Names of labels, or values once a name and an operator are there. */
function completions(typed: string, alerts: readonly Alert[]): string[] {
  const begun = /^\s*([^\s=!~"{},]+)\s*(=~|!~|!=|=)/.exec(typed);
  if (!begun) return labelNames(alerts).slice(0, OFFERED).map((name) => `${name}=`);
  const [, name = "", operator = ""] = begun;
  return labelValues(alerts, name, OFFERED).map((value) => `${name}${operator}${JSON.stringify(value)}`);
}
