// Whether the page is being printed: then what is only drawn as far as it is in view must be drawn whole, before the event has passed.
import { signal } from "@preact/signals";
import { options } from "preact";

export const printing = signal(false);

function set(on: boolean) {
  const before = options.debounceRendering;
  // At once: the browser takes the page as it is when the handlers have returned.
  options.debounceRendering = (render) => render();
  printing.value = on;
  options.debounceRendering = before;
}

addEventListener("beforeprint", () => set(true));
addEventListener("afterprint", () => set(false));
