import { reached } from "./api.js";
import { h, link, shortID } from "./dom.js";

const aside = document.getElementById("live");
const most = 8;
let source, watched, changed, seen = [];

/** watch shows the changes of a repository as they arrive, and calls onChange after each. "" watches nothing. */
export function watch(repository, onChange) {
  changed = onChange;
  if (repository === watched) return;
  source?.close();
  watched = repository;
  seen = [];
  aside.replaceChildren();
  if (repository) open(repository);
}

/** catchUp is as if something had changed. */
export const catchUp = () => changed();

// A browser has six connections for one host: pages that nobody sees do without.
document.addEventListener("visibilitychange", () => {
  if (!watched) return;
  source.close();
  if (!document.hidden) {
    open(watched);
    changed();
  }
});

function open(repository) {
  source = new EventSource("/v1/events?" + new URLSearchParams({ repository }));
  const say = (text) => { const s = aside.querySelector("[role=status]"); if (s) s.textContent = text; };
  let lost = false;
  source.onopen = () => {
    say("Changes appear here as they happen.");
    if (lost) changed();
    lost = false;
  };
  source.onerror = () => {
    lost = true;
    say("The connection is lost: changes will be caught up with.");
    // A browser gives up for good after an answer that is no stream; nothing is lost by asking from now on.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (watched === repository && source.readyState === EventSource.CLOSED) { open(repository); changed(); } }, 5000);
  };
  const told = (e) => { reached(repository, e.lastEventId); changed(); };
  source.addEventListener("dev.gitstore.ref.updated.v1", (e) => {
    seen.unshift(row(repository, JSON.parse(e.data)));
    aside.querySelector("ol")?.prepend(seen[0]); // the others stay where they are, and the focus with them
    for (const old of seen.splice(most)) old.remove();
    told(e);
  });
  source.addEventListener("dev.gitstore.stream.resync_required.v1", told);
  aside.replaceChildren(h("h2", null, "Live"), h("p", { role: "status", class: "muted" }, "Connecting…"), h("ol", { "aria-live": "polite" }, seen));
}

function row(repository, { subject, data }) {
  const name = subject.replace(/^refs\/(heads|tags)\//, "");
  const kind = data.ref_kind === "tag" ? "Tag" : "Branch";
  const what = { created: "was created", updated: "is", deleted: "was deleted" }[data.change];
  return h("li", null, kind + " ", h("strong", null, name), " " + what, data.commit_id ? [" at ", link(shortID(data.commit_id), repository, "commit", { id: data.commit_id })] : null,
    ", " + new Date().toLocaleTimeString());
}
