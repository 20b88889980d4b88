// How the page stands with the server, and what a person can do about it.

import { byId, setText } from "./dom.js";

// RFC 6750's b64token: what a server may ask for, and a header field can carry.
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

const STATES = {
  connecting: { label: "Connecting", title: "", advice: "" },
  live: { label: "Live", title: "", advice: "" },
  lost: {
    label: "Reconnecting",
    title: "The server does not answer.",
    advice:
      "The figures are the last that came. Check that weir runs and can be reached; the page comes back by itself.",
  },
  draining: {
    label: "Server stopping",
    title: "The server is about to stop.",
    advice:
      "What it counted ends with it, for everything is in memory. The page comes back by itself when a server starts here again.",
  },
  busy: {
    label: "Reconnecting",
    title: "The server has no room for this page now.",
    advice: "The page comes back by itself.",
  },
  token: { label: "Needs a token", title: "", advice: "" },
  refused: { label: "View refused", title: "The server cannot answer this question.", advice: "" },
};

export class Connection {
  #state = "";

  // `onToken(token)` is called with a token that was typed in.
  constructor({ onToken, onRetry, onClear }) {
    byId("retry").addEventListener("click", onRetry);
    byId("start-over").addEventListener("click", onClear);
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = byId("token").value.trim();
      byId("token").value = "";
      if (TOKEN.test(token)) onToken(token);
      else setText(byId("token-problem"), "A token has letters, digits and - . _ ~ + / only, and = at its end.");
    });
  }

  show(state, detail) {
    // Between two attempts to come back nothing has changed for the reader.
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
    // Whoever has pressed what is gone now goes on at the figures.
    else if (focused && !focused.checkVisibility()) byId("figures").focus({ preventScroll: true });
  }
}
