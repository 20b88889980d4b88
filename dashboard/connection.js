// The state of the connection to the server, and what a user can do about it.

import { byId, setText } from "./dom.js";

// RFC 6750's b64token: the tokens that a server accepts and that fit into a header field.
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

const STATES = {
  connecting: { label: "Connecting", title: "", advice: "" },
  live: { label: "Live", title: "", advice: "" },
  lost: {
    label: "Reconnecting",
    title: "The server does not respond.",
    advice:
      "The page shows the last values it received. Check that weir runs and can be reached. The page reconnects automatically.",
  },
  draining: {
    label: "Server stopping",
    title: "The server is about to stop.",
    advice:
      "All its data is in memory and will be gone. The page reconnects when a server starts here again.",
  },
  busy: {
    label: "Reconnecting",
    title: "The server has no capacity for this page now.",
    advice: "The page reconnects automatically.",
  },
  token: { label: "Needs a token", title: "", advice: "" },
  forbidden: {
    label: "Address rejected",
    title: "The server does not accept the address of this page.",
    advice: "Open the page under an address that the server accepts, then retry.",
  },
  refused: { label: "View rejected", title: "The server rejects this query.", advice: "" },
};

export class Connection {
  #state = "";

  // Calls `onToken(token)` with a token that the user typed.
  constructor({ onToken, onRetry, onClear }) {
    byId("retry").addEventListener("click", onRetry);
    byId("start-over").addEventListener("click", onClear);
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = byId("token").value.trim();
      byId("token").value = "";
      if (TOKEN.test(token)) onToken(token);
      else setText(byId("token-problem"), "A token has only letters, digits and - . _ ~ + / in it, and = at its end.");
    });
  }

  show(state, detail) {
    // Between two attempts to reconnect, nothing changes for the user.
    if (state === "connecting" && ["lost", "draining", "busy"].includes(this.#state)) return;
    const { label, title, advice } = STATES[state];
    const changed = state !== this.#state;
    const focused = document.activeElement;
    this.#state = state;
    document.documentElement.dataset.connection = state;
    setText(byId("status-text"), label);
    byId("notice").hidden = title === "";
    setText(byId("notice-title"), title);
    setText(byId("notice-advice"), [detail && `${detail}.`, advice].filter(Boolean).join(" "));
    byId("retry").hidden = state === "refused";
    byId("start-over").hidden = state !== "refused";
    byId("token-panel").hidden = state !== "token";
    setText(byId("token-problem"), state === "token" ? `The server says: ${detail}.` : "");
    if (state === "token" && changed) byId("token").focus();
    // If the focused element is hidden now, the focus moves to the metrics.
    else if (focused && !focused.checkVisibility()) byId("figures").focus({ preventScroll: true });
  }
}
