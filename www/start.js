// @ts-check
/*
 * Starts the page and reports failures. A classic script without imports, because it must work when a module fails.
 *
 * Each uncaught error is shown once, as a sentence. `reportError` brings errors of watchers here as well.
 */

{
  const MAX_NOTES = 3;
  /** @type {Set<string>} */ const shown = new Set();
  const parsed = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));

  /** @param {string} text @param {boolean} isFatal True if only a reload helps. */
  const report = async (text, isFatal) => {
    const isNew = !shown.has(text);
    if (isNew && shown.size >= MAX_NOTES) return;
    shown.add(text);
    await parsed;
    const note = document.getElementById("fault-note");
    // A repeated failure opens the note again, even if a person has closed it.
    if (note) note.hidden = false;
    if (!isNew) return;
    const line = document.createElement("p");
    line.textContent = text;
    note?.querySelector("div")?.append(line);
    const [reload, close] = note?.querySelectorAll("button") ?? [];
    reload?.addEventListener("click", () => location.reload());
    close?.addEventListener("click", () => note && (note.hidden = true));
    const message = isFatal ? document.getElementById("message") : null;
    if (message) message.textContent = "The page did not start.";
    if (isFatal) document.body.dataset.phase = "ended";
  };

  /** @param {unknown} error */
  const textOf = (error) => `${error instanceof Error ? error.message : error}`.replace(/\.$/, "");

  // Capturing, because a load error is dispatched only to the element.
  addEventListener(
    "error",
    (event) => {
      const { target } = event;
      if (target instanceof HTMLScriptElement)
        report(`A part of the page could not be loaded (${target.getAttribute("src")}). Reload the page.`, true);
      else if (event.error) report(`A part of the page failed (${textOf(event.error)}). The rest still works.`, false);
    },
    { capture: true },
  );
  addEventListener("unhandledrejection", ({ reason }) => {
    // Errors of a closed session and aborted actions are reported elsewhere.
    if (reason?.name === "EngineError" || reason?.name === "AbortError") return;
    report(`A part of the page failed (${textOf(reason)}). The rest still works.`, false);
  });

  // An optional part that could not be loaded (`optional.js`).
  addEventListener("missing-part", (event) => report(/** @type {CustomEvent<string>} */ (event).detail, false));

  // Some browsers report a language that their own Intl rejects ("C"), and libraries pass it on.
  try {
    new Intl.NumberFormat(navigator.language);
    new Intl.DateTimeFormat();
  } catch {
    for (const [name, value] of /** @type {const} */ ([
      ["language", "en"],
      ["languages", ["en"]],
    ]))
      Object.defineProperty(navigator, name, { value, configurable: true });
    for (const name of /** @type {const} */ (["Collator", "DateTimeFormat", "NumberFormat"])) {
      const known = (/** @type {unknown} */ locale) => {
        try {
          return Intl.getCanonicalLocales(/** @type {string} */ (locale)).length > 0 ? locale : "en";
        } catch {
          return "en";
        }
      };
      const ask = (/** @type {any} */ Format, /** @type {any[]} */ [locale, options]) => new Format(known(locale), options);
      Object.defineProperty(Intl, name, {
        value: new Proxy(Intl[name], { construct: ask, apply: (Format, _this, args) => ask(Format, args) }),
      });
    }
  }

  parsed.then(() =>
    import("./main.js").catch((error) => {
      // Only resource timing tells which file is missing.
      const missing = performance.getEntriesByType("resource").find((entry) => /** @type {any} */ (entry).responseStatus >= 400);
      const which = missing ? ` (${missing.name.split("/").at(-1)} could not be loaded)` : ` (${textOf(error)})`;
      // What an old browser cannot read is a mistake to it.
      const remedy = error instanceof SyntaxError ? "This browser may be too old: update it, then reload the page." : "Reload the page.";
      report(`The page could not start${which}. ${remedy}`, true);
      console.error(error);
    }),
  );
}
