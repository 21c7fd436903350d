// Entry of the admin.
import { render } from "preact";
import { Toasts } from "../kit/toast";
import { WithServerConfig } from "./server-config";
import { WithSession } from "./session";
import { Shell } from "./shell";
import "../styles/theme.css";
import "../styles/kit.css";
import "../styles/admin.css";

const root = document.getElementById("app");
if (!root) throw new Error("admin.html has no element with the id app.");
render(
  <>
    <WithSession>
      <WithServerConfig>
        <Shell />
      </WithServerConfig>
    </WithSession>
    <Toasts />
  </>,
  root,
);
