import { below, call, filePath, get, unlessEmpty } from "./api.js";
import { address, facts, field, h, link, notice, number, shortID, table, time } from "./dom.js";

const largestShown = 512 * 1024;

/** crumbs lead to each directory above a path. */
function crumbs(repository, at, path) {
  const parts = path.split("/").filter(Boolean);
  return h("nav", { "aria-label": "Path" }, link(repository, repository, "files", { at }),
    parts.map((p, i) => ["/ ", i === parts.length - 1 ? h("span", null, p) : link(p, repository, "files", { at, path: parts.slice(0, i + 1).join("/") })]));
}

/** revision asks which branch, tag or commit to show. */
export function revision(repository, view, params, branches) {
  const list = h("datalist", { id: "revisions" }, branches.map((b) => h("option", { value: b.name })));
  const input = h("input", { name: "at", value: params.at ?? "", list: "revisions", placeholder: "default", id: "revision", autocomplete: "off" });
  const go = (e) => { e.preventDefault(); location.hash = address(repository, view, { ...params, at: input.value.trim(), page: "" }); };
  return h("form", { class: "bar", onsubmit: go }, field("Branch, tag or commit", input), list, h("button", null, "Show"));
}

export const branchesOf = async (repository, signal) => (await get(below(repository, "branches"), { page_size: 100 }, { signal })).items;

export async function tree(repository, params, signal) {
  const { at = "", path = "", page = "" } = params;
  const [branches, listing] = await Promise.all([branchesOf(repository, signal),
    unlessEmpty(repository, get(below(repository, "tree"), { ref: at, prefix: path, page_size: 500, page_token: page }, { signal }), { items: [] }, signal)]);
  const rows = listing.items.map((e) => {
    const name = e.path.slice(path ? path.length + 1 : 0);
    const shown = e.type === "directory" ? link(name + "/", repository, "files", { at, path: e.path }) : e.type === "submodule" ? name : link(name, repository, "file", { at, path: e.path });
    return [shown, e.type, e.type === "file" ? number(e.size) : ""];
  });
  return [h("h1", null, "Files"), revision(repository, "files", params, branches), crumbs(repository, at, path),
    table(["Name", "Type", "Bytes"], rows, "There are no files."),
    listing.next_page_token && h("p", null, link("More", repository, "files", { ...params, page: listing.next_page_token })),
    h("p", null, link("History of this directory", repository, "history", { at, path }))];
}

export async function file(repository, { at = "", path }, signal) {
  const source = filePath(repository, path) + (at ? "?" + new URLSearchParams({ ref: at }) : "");
  const head = await fetch(source, { method: "HEAD", signal });
  const size = Number(head.headers.get("Content-Length"));
  const raw = h("a", { href: source }, "Raw");
  const top = [h("h1", null, path.split("/").pop()), crumbs(repository, at, path),
    h("p", null, raw, " · ", link("History", repository, "history", { at, path }), head.ok && " · " + size.toLocaleString() + " bytes")];
  if (head.ok && size > largestShown) return [top, notice("", h("p", null, "The file is too large to show here."))];
  const text = (await call("GET", filePath(repository, path), { params: { ref: at }, signal, text: true })).value;
  if (text.includes("\0") || text.includes("\ufffd")) return [top, notice("", h("p", null, "The file is no text."))];
  return [top, h("pre", { tabindex: 0, "aria-label": "Content" }, text)];
}

export async function history(repository, params, signal) {
  const { at = "", path = "", page = "" } = params;
  const [branches, listing] = await Promise.all([branchesOf(repository, signal),
    unlessEmpty(repository, get(below(repository, "commits"), { ref: at, path, page_size: 50, page_token: page }, { signal }), { items: [] }, signal)]);
  return [h("h1", null, path ? "History of " + path : "History"), revision(repository, "history", params, branches),
    table(["Commit", "Message", "Author", "When"], listing.items.map((c) => [link(shortID(c.commit_id), repository, "commit", { id: c.commit_id }),
      c.message.split("\n", 1)[0], c.author.name, time(c.author.time)]), "There are no commits."),
    listing.next_page_token && h("p", null, link("Older", repository, "history", { ...params, page: listing.next_page_token }))];
}

export async function commit(repository, { id }, signal) {
  const c = await get(below(repository, "commits", id), {}, { signal });
  const parent = c.parent_ids[0];
  return [h("h1", null, c.message.split("\n", 1)[0]),
    c.message.includes("\n", c.message.length > 1 ? 0 : 1) && c.message.trim().includes("\n") && h("pre", null, c.message.trim()),
    facts([["Commit", h("code", null, c.commit_id)], ["Author", c.author.name + " <" + c.author.email + ">"], ["When", time(c.author.time)],
      ["Parents", c.parent_ids.length ? c.parent_ids.map((p) => [link(shortID(p), repository, "commit", { id: p }), " "]) : "none"],
      ["Files", link("as they were", repository, "files", { at: c.commit_id })]]),
    parent ? await comparison(repository, parent, c.commit_id, signal) : h("p", { class: "muted" }, "The first commit: everything is new.")];
}

/** comparison shows what differs between two commits, as git diff does. */
export async function comparison(repository, base, head, signal) {
  const d = await get(below(repository, "compare") + "/" + encodeURIComponent(base) + "..." + encodeURIComponent(head), {}, { signal });
  return [h("h2", null, d.files.length === 1 ? "1 file" : d.files.length + " files"),
    d.files.map((f) => h("details", { open: d.files.length <= 20 }, h("summary", null, f.path, " ", h("span", { class: "muted" }, f.status + " +" + f.added + " −" + f.removed)), patch(f))),
    d.truncated && h("p", { class: "muted" }, "There are more than these.")];
}

function patch(f) {
  if (!f.patch) return h("p", { class: "muted" }, f.binary ? "Not text." : "Nothing to show.");
  const marks = { "+": "add", "-": "del" };
  return h("pre", { tabindex: 0, "aria-label": "Changes of " + f.path }, f.patch.split(/(?<=\n)/).map((l) => h("span", { class: marks[l[0]] }, l)));
}
