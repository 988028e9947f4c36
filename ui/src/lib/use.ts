// Asking the API from components: the newest question wins, older ones are aborted.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Answer, ApiError, ask, type Parameters } from "./api";

export interface Asked<T> {
  answer?: Answer<T>;
  /** Parameters that gave the answer: those of now may differ while a newer question is under way. */
  parameters?: Parameters;
  error?: ApiError;
  loading: boolean;
  tookMs?: number;
  cancel: () => void;
}

/** Asks when `key` changes, and every `everyMs` while the page is seen. An undefined path asks nothing. `how` asks another API than v1. */
export function useAsk<T>(path: string | undefined, parameters: Parameters, key: string, everyMs?: number, how: typeof ask = ask): Asked<T> {
  const controller = useRef<AbortController>();
  const cancel = () => controller.current?.abort();
  const [state, setState] = useState<Omit<Asked<T>, "cancel">>({ loading: path !== undefined });
  const before = useRef<string>();
  const latest = useRef(parameters);
  latest.current = parameters;
  useEffect(() => {
    if (path === undefined) {
      setState({ loading: false });
      return;
    }
    const run = () => {
      controller.current?.abort();
      const own = new AbortController();
      controller.current = own;
      const started = performance.now();
      const asked = latest.current;
      setState((s) => ({ ...s, loading: true }));
      how<T>(path, asked, own.signal).then(
        (answer) => setState({ answer, parameters: asked, loading: false, tookMs: performance.now() - started }),
        (error: unknown) => {
          if (own.signal.aborted) {
            // Canceled by the person, unless a newer question took over.
            if (controller.current === own) setState((s) => ({ ...s, loading: false }));
            return;
          }
          const known = error instanceof ApiError ? error : new ApiError(String(error), "internal", 0);
          setState((s) => ({ ...s, answer: everyMs ? s.answer : undefined, error: known, loading: false }));
        },
      );
    };
    // A new pace alone asks nothing new.
    if (before.current !== `${path} ${key}`) run();
    before.current = `${path} ${key}`;
    const timer = everyMs ? setInterval(() => document.hidden || run(), everyMs) : undefined;
    return () => {
      const last = controller.current;
      controller.current = undefined;
      last?.abort();
      clearInterval(timer);
    };
  }, [path, key, everyMs]);
  return { ...state, cancel };
}
