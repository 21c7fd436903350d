// Entry of the viewer page.
import { render } from "preact";
import { App } from "./app";
import "./styles/theme.css";
import "./styles/page.css";
import "./styles/player.css";
import "./styles/chat.css";

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no element with the id app.");
render(<App />, root);
