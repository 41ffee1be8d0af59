import { below, call, get, missing } from "./api.js";
import { facts, fault, field, h, link, notice, number, shortID, table, tagRef, tell, time } from "./dom.js";

export async function repositories(_, { page = "" }, signal) {
  const { items, next_page_token: next } = await get("/v1/repositories", { page_size: 100, page_token: page }, { signal });
  return [
    h("h1", null, "Repositories"),
    table(["Repository", "Default branch", "Created"], items.map((r) => [link(r.id, r.id), r.default_branch, time(r.created_at)]), "There is none yet."),
    next && h("p", null, h("a", { href: "#/?" + new URLSearchParams({ page: next }) }, "More")),
    creation(),
  ];
}

function creation() {
  const id = h("input", { required: true, pattern: "[a-z0-9][a-z0-9\\-]{0,62}", title: "a to z, 0 to 9 and -, at most 63", autocomplete: "off", id: "new-repository" });
  const create = async (e) => {
    e.preventDefault();
    fault(id);
    try {
      await call("POST", "/v1/repositories", { body: { id: id.value } });
      location.hash = "#/" + encodeURIComponent(id.value);
    } catch (err) {
      tell(notice("bad", h("p", null, err.message)));
      if (err.field === "id") fault(id, err.message);
    }
  };
  return [h("h2", null, "New repository"), h("form", { class: "bar", onsubmit: create }, field("Name", id), h("button", null, "Create"))];
}

export async function overview(repository, { at = "" }, signal) {
  const [info, catalog, branches, tags] = await Promise.all([
    get(below(repository), {}, { signal }),
    get(below(repository, "catalog"), { at }, { signal }).catch(unreleased),
    get(below(repository, "branches"), { page_size: 100 }, { signal }),
    get(below(repository, "tags"), { page_size: 20 }, { signal }),
  ]);
  return [h("h1", null, repository), catalog && !catalog.none ? status(repository, catalog, at) : noCatalog(repository, info, catalog?.none),
    h("h2", null, "Branches"),
    table(["Branch", "Commit", "More"], branches.items.map((b) => [link(b.name, repository, "files", { at: b.name }), link(shortID(b.commit_id), repository, "commit", { id: b.commit_id }),
      [link("history", repository, "history", { at: b.name }), " · ", link("catalog", repository, "catalog", { at: b.name })]]), "There is no branch yet: the first commit makes one."),
    branches.next_page_token && h("p", { class: "muted" }, "There are more than these."),
    h("h2", null, "Tags"),
    table(["Tag", "Commit", "More"], tags.items.map((t) => [link(t.name, repository, "files", { at: tagRef(t.name) }), link(shortID(t.commit_id), repository, "commit", { id: t.commit_id }),
      link("catalog", repository, "catalog", { at: tagRef(t.name) })]), "There is none yet."),
    tags.next_page_token && h("p", { class: "muted" }, "There are more than these."),
    h("h2", null, "Clone"), h("pre", null, "git clone " + location.origin + "/git/" + repository + ".git")];
}

/** unreleased says why there is nothing to show of a catalog that is followed, such as a release that was not made yet. */
const unreleased = (err) => (err.reason === "REF_NOT_FOUND" ? { none: err.message } : missing(err));

const noCatalog = (repository, info, none) => notice("", info.empty
  ? h("p", null, "The repository is empty: a push, a commit over the API or the first document of a ", link("catalog", repository, "catalog"), " begins it.")
  : h("p", null, none ?? "This service follows no catalog of this repository."));

function status(repository, c, at) {
  return [
    c.stale && notice("bad", h("p", null, "There may be a newer commit: ", c.last_error?.detail ?? "the catalog could not be brought up to date.")),
    facts([
      ["Catalog of", c.ref ? c.ref.replace(/^refs\/(heads|tags)\//, "") : at || c.view], ["Release", c.release], ["Commit", link(shortID(c.commit_id), repository, "commit", { id: c.commit_id })],
      ["Loaded", time(c.loaded_at)], ["Problems", link(c.problems.toLocaleString(), repository, "problems", { at })],
    ]),
    table(["Kind", "Documents"], Object.entries(c.counts).sort().map(([kind, n]) => [link(kind, repository, "catalog", { kind, at }), number(n)]), "There are no documents."),
  ];
}
