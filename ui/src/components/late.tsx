// A component whose code is loaded when it is shown first: what few people open costs nobody else.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Loading, Notice } from "./basics";

export function late<P extends object>(what: string, load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Late(props: P) {
    const [state, setState] = useState<{ Part?: ComponentType<P>; failed?: boolean }>({ Part: loaded });
    useEffect(() => {
      if (loaded) return;
      load().then(
        (Part) => {
          loaded = Part;
          setState({ Part });
        },
        () => setState({ failed: true }),
      );
    }, []);
    if (state.failed) return <Notice kind="bad">{what} could not be loaded. Was the server replaced by another version? Load the page again.</Notice>;
    return state.Part ? <state.Part {...props} /> : <Loading what={what} />;
  };
}
