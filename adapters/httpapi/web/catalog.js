import { below, filePath, get, isMap, missing, unlessEmpty } from "./api.js";
import { address, facts, fault, field, h, link, notice, shortID, table } from "./dom.js";
import { branchesOf, revision } from "./files.js";

const builtIn = ["Product", "Category", "Collection"];

/** documentPath is where the API has a document. */
export const documentPath = (repository, kind, id) => below(repository, "catalog", "documents", kind, id);

/** branchOf is the branch that the service writes to and releases: the one that the catalog follows, else the default one. */
export async function branchOf(repository, signal) {
  const [status, info] = await Promise.all([get(below(repository, "catalog"), {}, { signal }).catch(missing), get(below(repository), {}, { signal })]);
  return status?.view.match(/^head:(.+)/)?.[1] ?? info.default_branch;
}

// Kinds have any names, those of an object's own members too.
const columns = { __proto__: null, Product: ["sku", "price", "status", "inventory_status"], Category: ["parent", "position"], Collection: [] };

const cell = (d, name) => (name === "price" ? [d.price, " ", d.currency].filter(Boolean) : String(d[name] ?? ""));

/** lists have paths of their own, whose documents have the members of their kind. */
const listPath = (repository, kind) => builtIn.includes(kind)
  ? below(repository, "catalog", { Product: "products", Category: "categories", Collection: "collections" }[kind])
  : below(repository, "catalog", "documents");

export async function list(repository, params, signal) {
  const { kind = "Product", q = "", filter = "", sort = "", at = "", page = "" } = params;
  let refused;
  const unlessRefused = (e) => {
    if (e.field === "kind") return { items: [] }; // another revision may know it
    if (!searched.includes(e.field)) throw e;
    refused = e;
    return { items: [] };
  };
  const [status, branches, listing] = await Promise.all([
    unlessEmpty(repository, get(below(repository, "catalog"), { at }, { signal }), { counts: {} }, signal), branchesOf(repository, signal),
    unlessEmpty(repository, get(listPath(repository, kind), { kind: builtIn.includes(kind) ? "" : kind, q, filter: filter.split("\n"), sort, at, body: "none", page_size: 50, page_token: page }, { signal }),
      { items: [] }, signal).catch(unlessRefused),
  ]);
  const kinds = [...new Set([...builtIn, ...Object.keys(status.counts)])];
  return [h("h1", null, "Catalog"), revision(repository, "catalog", params, branches), search(repository, params, kinds, kind, refused),
    refused ? notice("bad", h("p", null, "Nothing was searched for: mend what is marked.")) : table(["Title", "Id", ...(columns[kind] ?? []).map((c) => c.replace("_", " "))],
      listing.items.map((d) => [link(d.title || d.id, repository, "document", { kind, id: d.id, at }), h("span", { class: "id" }, d.id), ...(columns[kind] ?? []).map((c) => cell(d, c))]),
      status.commit_id ? "Nothing is found." : "There are no documents yet: the first one makes the first commit."),
    h("p", { class: "bar" }, listing.next_page_token && link("More", repository, "catalog", { ...params, page: listing.next_page_token }),
      link("New " + kind.toLowerCase(), repository, "edit", { kind, at }))];
}

// What somebody fills in to search, by the names that the API has for it.
const searched = ["q", "filter", "sort"];

/** search is the form to search with; what was refused of it is told at the control. */
function search(repository, params, kinds, kind, refused) {
  const kindInput = h("select", { name: "kind", id: "kind" }, kinds.map((k) => h("option", { selected: k === kind }, k)));
  const q = h("input", { type: "search", name: "q", value: params.q ?? "", id: "words" });
  const filter = h("textarea", { name: "filter", id: "filter", rows: 2, cols: 30, placeholder: "attributes.net_weight_g>=250" }, params.filter ?? "");
  const sort = h("input", { name: "sort", value: params.sort ?? "", id: "sort", placeholder: "-price,title" });
  const go = (e) => {
    e.preventDefault();
    location.hash = address(repository, "catalog", { ...params, kind: kindInput.value, q: q.value, filter: filter.value, sort: sort.value, page: "" });
  };
  const form = h("form", { class: "bar", role: "search", onsubmit: go }, field("Kind", kindInput), field("Words", q), field("Field is", filter, "One condition in a line."), field("Sort by", sort), h("button", { class: "main" }, "Search"));
  if (refused) fault(form.elements[refused.field], refused.message);
  return form;
}

export async function document(repository, { kind, id, at = "" }, signal) {
  const d = await get(documentPath(repository, kind, id), { at, body: "html" }, { signal });
  const body = h("div", { class: "body" }, rendered(repository, at, d));
  return [h("h1", null, d.title || d.id),
    h("p", { class: "bar" }, link("Edit", repository, "edit", { kind, id, at }), link("File", repository, "file", { path: d.path, at }), link("History", repository, "history", { path: d.path, at })),
    facts([["kind", d.kind], ["id", d.id], ["slug", d.slug], ["path", d.path], ["blob", shortID(d.blob_id)], ...fieldsOf(d).map(([k, v]) => [k, value(repository, at, k, v)])]), body];
}

/** rendered is the body of a document, whose links and pictures lead to files beside its own. The API makes the HTML of Markdown, without raw HTML and without anything that runs. */
function rendered(repository, at, d) {
  const { body } = new DOMParser().parseFromString(d.body_html ?? "", "text/html"); // where nothing is loaded yet
  const base = new URL(d.path.split("/").map(encodeURIComponent).join("/"), "https://repository.invalid/");
  const beside = (address) => {
    try {
      const url = new URL(address, base);
      return url.host === base.host ? decodeURIComponent(url.pathname.slice(1)) : null;
    } catch { return null; }
  };
  for (const a of body.querySelectorAll("a[href]")) {
    const href = a.getAttribute("href"), path = beside(href);
    if (href.startsWith("#")) a.addEventListener("click", (e) => { e.preventDefault(); goTo(a, href.slice(1)); });
    else if (path != null) a.href = path === "" || path.endsWith("/") ? address(repository, "files", { path: path.slice(0, -1), at }) : address(repository, "file", { path, at });
  }
  for (const img of body.querySelectorAll("img[src]")) {
    const path = beside(img.getAttribute("src"));
    if (path) img.src = filePath(repository, path) + (at ? "?" + new URLSearchParams({ ref: at }) : "");
  }
  return [...body.childNodes];
}

const anchor = (text) => text.trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");

/** goTo shows the heading that a link of the same text names. */
function goTo(link, name) {
  let wanted = name;
  try { wanted = decodeURIComponent(name); } catch { /* it is taken as it is written */ }
  const heading = [...link.closest(".body").querySelectorAll("h1, h2, h3, h4, h5, h6")].find((e) => anchor(e.textContent) === wanted.toLowerCase());
  heading?.setAttribute("tabindex", "-1");
  heading?.focus();
}

const own = ["kind", "id", "slug", "title", "path", "path_base64", "blob_id", "fields", "body", "body_html", "ancestors", "children"];

/** fieldsOf lists the fields of the front matter but those that every document has: the members of the kind, then the others. */
export const fieldsOf = (d) => [...Object.entries(d).filter(([k]) => !own.includes(k)), ...Object.entries(d.fields ?? {})];

function value(repository, at, name, v) {
  if (v === "" || (Array.isArray(v) && v.length === 0)) return null;
  if ((name === "category" || name === "parent") && typeof v === "string") return link(v, repository, "document", { kind: "Category", id: v, at });
  if (Array.isArray(v) && v.every((x) => x === null || typeof x !== "object")) return v.join(", ");
  if (v !== null && typeof v === "object" && !isMap(v) && !Array.isArray(v)) return JSON.stringify(v); // a number as it is written
  return typeof v === "object" ? h("code", null, JSON.stringify(v, null, 1)) : String(v);
}

export async function problems(repository, params, signal) {
  const { at = "", page = "" } = params;
  const listing = await unlessEmpty(repository, get(below(repository, "catalog", "problems"), { at, page_size: 200, page_token: page }, { signal }), { items: [] }, signal);
  return [h("h1", null, "Problems"),
    listing.items.length === 0 && !page ? notice("good", h("p", null, "All documents are in order.")) : problemTable(repository, at, listing.items),
    listing.next_page_token && h("p", null, link("More", repository, "problems", { ...params, page: listing.next_page_token }))];
}

export const problemTable = (repository, at, items) => table(["File", "Line", "Field", "Problem", "Reason"],
  items.map((p) => [link(p.path, repository, "file", { path: p.path, at }), p.line ? p.line + ":" + p.column : "", p.field, p.message, h("code", null, p.reason)]), "");
