import { flat, h, link, notice, tell } from "./dom.js";
import { watch } from "./live.js";
import * as catalog from "./catalog.js";
import * as edit from "./edit.js";
import * as files from "./files.js";
import * as releases from "./releases.js";
import { repositories, overview } from "./overview.js";

// A view gets the repository, the parameters of the address and a signal that ends with it, and returns what to show.
const views = {
  "": overview, files: files.tree, file: files.file, history: files.history, commit: files.commit,
  catalog: catalog.list, document: catalog.document, problems: catalog.problems, edit: edit.form,
  releases: releases.list, compare: releases.compare,
};

const tabs = [["", "Overview"], ["catalog", "Catalog"], ["problems", "Problems"], ["releases", "Releases"], ["files", "Files"], ["history", "History"]];
const tabOf = { document: "catalog", edit: "catalog", file: "files", commit: "history", compare: "releases" };

const main = document.getElementById("main");
let running = new AbortController();

// What changes while a view is made, and in the moment after, is shown by one more view: a busy repository neither holds the view up nor has it ask all the time.
const pause = 300;
let making = false, stale = false, resting;

/** refresh shows what has changed. */
function refresh() {
  stale = true;
  if (!making && !resting) show({ keepFocus: true });
}

/** made ends the making of a view. */
function made() {
  making = false;
  resting = setTimeout(() => {
    resting = undefined;
    if (stale) show({ keepFocus: true });
  }, pause);
}

/** place reads the address behind "#". */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [repository, view = ""] = path.split("/").map(decodeURIComponent);
  return { repository, view, params: Object.fromEntries(new URLSearchParams(query)) };
}

async function show({ keepFocus } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  clearTimeout(resting);
  [making, stale, resting] = [true, false, undefined];
  let at;
  try { at = place(); } catch { at = { repository: "", view: "-", params: {} }; } // the address is malformed
  const { repository, view, params } = at;
  if (!keepFocus) document.getElementById("nav").replaceChildren(...(repository ? [h("strong", null, repository), ...tabs.map(([name, title]) =>
    link(title, repository, name, { at: params.at }, { "aria-current": (tabOf[view] ?? view) === name && "page" }))] : []));
  watch(repository, () => { if (view !== "edit") refresh(); });
  main.setAttribute("aria-busy", "true");
  let content;
  try {
    const name = repository ? view : view && "-";
    const render = name === "" && !repository ? repositories : Object.hasOwn(views, name) && views[name];
    content = render ? await render(repository, params, signal) : [h("h1", null, "There is nothing here"), h("a", { href: "#/" }, "To the repositories")];
  } catch (e) {
    if (e.name === "AbortError") return;
    content = [h("h1", null, "This cannot be shown"), notice("bad", h("p", null, e.message), e.request && h("p", { class: "muted" }, "Request ", h("code", null, e.request))),
      h("button", { type: "button", onclick: () => show() }, "Try again")];
  }
  if (signal.aborted) return;
  made();
  main.removeAttribute("aria-busy");
  const restore = keepFocus ? keepInput() : () => { main.focus({ preventScroll: true }); scrollTo(0, 0); };
  main.replaceChildren(...flat(content));
  document.title = [main.querySelector("h1")?.textContent, repository, "GitStore"].filter(Boolean).join(" · ");
  restore();
}

const defaultOf = (e) => (e.options ? [...e.options].find((o) => o.defaultSelected)?.value ?? e.options[0]?.value : e.defaultValue);

/** keepInput returns a function that puts what somebody has typed, chosen and opened, and the focus, back into a view that is shown anew. */
function keepInput() {
  const typed = [...main.querySelectorAll("input, textarea, select")].filter((e) => e.id && e.value !== defaultOf(e)).map((e) => [e.id, e.value]);
  const opened = new Map([...main.querySelectorAll("details")].map((e) => [nameOf(e), e.open]));
  const active = document.activeElement;
  const { id, selectionStart, selectionEnd } = active;
  const name = main.contains(active) && active !== main ? nameOf(active) : null;
  const nth = name && [...main.querySelectorAll(active.tagName)].filter((e) => nameOf(e) === name).indexOf(active);
  return () => {
    for (const e of main.querySelectorAll("details")) e.open = opened.get(nameOf(e)) ?? e.open;
    for (const [control, value] of typed) {
      const e = document.getElementById(control);
      if (e) e.value = value;
    }
    if (!name) return;
    const alike = [...main.querySelectorAll(active.tagName)].filter((e) => nameOf(e) === name);
    const focused = (id && main.querySelector("#" + CSS.escape(id))) || alike[nth] || alike[0] || main;
    focused.focus({ preventScroll: true });
    if (selectionStart != null) focused?.setSelectionRange?.(selectionStart, selectionEnd);
  };
}

/** nameOf tells an element from others of its kind, also when the view is made anew. */
const nameOf = (e) => [e.tagName, e.getAttribute("href"), (e.querySelector("summary")?.firstChild ?? e).textContent].join("\n");

document.getElementById("skip").addEventListener("click", () => main.focus());
addEventListener("beforeunload", (e) => { if (edit.unsaved()) e.preventDefault(); });
addEventListener("hashchange", (e) => {
  if (!edit.mayLeave()) return history.pushState(null, "", e.oldURL);
  tell();
  show();
});
show();
