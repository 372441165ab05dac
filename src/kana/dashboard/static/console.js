// GraphiQL over the Admin API. It sends the key that was typed and no cookies: the API would ignore them.
"use strict";

(() => {
  const place = document.getElementById("console");
  const key = document.getElementById("key");
  if (!place || !window.GraphiQL || !window.ReactDOM) return;

  const send = async (request) => {
    if (!key.value.trim()) return { errors: [{ message: "Enter your private key above first." }] };
    const answer = await fetch(place.dataset.url, {
      method: "POST",
      credentials: "omit",
      headers: { "content-type": "application/json", authorization: key.value.trim() },
      body: JSON.stringify(request),
    });
    return answer.json();
  };

  // The editors' text areas have no names of their own, and the response must be scrollable by keyboard.
  const name = () => {
    for (const [part, text] of [["query-editor", "Query"], ["editor-tool", "Variables and headers"], ["response", "Response"]]) {
      for (const area of place.querySelectorAll(`.graphiql-${part} textarea:not([aria-label])`)) {
        area.setAttribute("aria-label", text);
      }
    }
    for (const pane of place.querySelectorAll(".CodeMirror-scroll[tabindex='-1']")) pane.setAttribute("tabindex", "0");
  };

  const start = async () => {
    const schema = (await (await fetch(place.dataset.schema)).json());
    ReactDOM.createRoot(place).render(React.createElement(GraphiQL, {
      fetcher: send,
      schema,
      query: place.dataset.query,
      variables: place.dataset.variables,
      defaultEditorToolsVisibility: "variables",
      forcedTheme: document.documentElement.dataset.bsTheme === "dark" ? "dark" : "light",
      isHeadersEditorEnabled: false,
      shouldPersistHeaders: false,
      showPersistHeadersSettings: false,
      // Nothing stays behind in a browser that several people use.
      storage: { length: 0, getItem: () => null, setItem: () => {}, removeItem: () => {}, clear: () => {} },
    }));
    new MutationObserver(name).observe(place, { childList: true, subtree: true });
  };
  start();
})();
