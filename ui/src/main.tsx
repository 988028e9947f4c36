// Starts the app. Until it has, index.html shows an empty frame, so that the first paint waits for no script.
import { render } from "preact";
import { App } from "./app";
import { address } from "./lib/base";
import { oldAddress } from "./lib/old-address";
import "./style/tokens.css";
import "./style/base.css";

const old = oldAddress(location.hash);
if (old !== undefined) history.replaceState(null, "", address(old));

const root = document.getElementById("app");
if (root) render(<App />, root);
