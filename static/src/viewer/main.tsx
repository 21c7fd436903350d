// Entry of the viewer page. The page is drawn from what the server put into it, and what plays is asked for beside that.
import { render } from "preact";
import { askEarly } from "../player/early-playlist";
import { prepareEngine } from "../player/engines";
import { SOURCE } from "../player/use-playback";
import { initial } from "../state";
import { App } from "./app";
import "../styles/theme.css";
import "../styles/kit.css";
import "../styles/prose.css";
import "../styles/page.css";
import "../styles/player.css";

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no element with the id app.");
const playsAtOnce = initial.status?.online === true && initial.config?.nsfw !== true && !location.pathname.startsWith("/embed/chat");
if (playsAtOnce) {
  prepareEngine();
  askEarly(SOURCE);
}
render(<App />, root);
