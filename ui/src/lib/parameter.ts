// Choices of a page that belong in the address: a link shows what its sender saw.
import { useEffect, useState } from "preact/hooks";

/** The value once it has rested for a moment: for questions that follow typing. */
export function useSettled<T>(value: T, restMs = 200): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    if (settled === value) return;
    const timer = setTimeout(() => setSettled(value), restMs);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** Value of a parameter of the address, and a way to set it. Setting replaces the entry of the browser's history. */
export function useParameter(name: string): [string, (value: string) => void] {
  const read = () => new URLSearchParams(location.search).get(name) ?? "";
  const [value, setValue] = useState(read);
  useEffect(() => {
    const onPop = () => setValue(read());
    addEventListener("popstate", onPop);
    return () => removeEventListener("popstate", onPop);
  }, []);
  const set = (next: string) => {
    setValue(next);
    const query = new URLSearchParams(location.search);
    if (next === "") query.delete(name);
    else query.set(name, next);
    const text = query.toString();
    history.replaceState(history.state, "", location.pathname + (text === "" ? "" : `?${text}`) + location.hash);
  };
  return [value, set];
}
