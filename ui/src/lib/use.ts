// Asking the API from components: the newest question wins, older ones are aborted.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Answer, ApiError, ask, type Parameters } from "./api";

export interface Asked<T> {
  answer?: Answer<T>;
  error?: ApiError;
  loading: boolean;
  tookMs?: number;
}

/** Asks when `key` changes, and every `everyMs` if given. An undefined path asks nothing. */
export function useAsk<T>(path: string | undefined, parameters: Parameters, key: string, everyMs?: number): Asked<T> {
  const [state, setState] = useState<Asked<T>>({ loading: path !== undefined });
  const latest = useRef(parameters);
  latest.current = parameters;
  useEffect(() => {
    if (path === undefined) {
      setState({ loading: false });
      return;
    }
    let controller: AbortController | undefined;
    const run = () => {
      controller?.abort();
      const own = new AbortController();
      controller = own;
      const started = performance.now();
      setState((s) => ({ ...s, loading: true }));
      ask<T>(path, latest.current, own.signal).then(
        (answer) => setState({ answer, loading: false, tookMs: performance.now() - started }),
        (error: unknown) => {
          if (own.signal.aborted) return;
          const known = error instanceof ApiError ? error : new ApiError(String(error), "internal", 0);
          setState((s) => ({ answer: everyMs ? s.answer : undefined, error: known, loading: false }));
        },
      );
    };
    run();
    const timer = everyMs ? setInterval(run, everyMs) : undefined;
    return () => {
      controller?.abort();
      clearInterval(timer);
    };
  }, [path, key, everyMs]);
  return state;
}
