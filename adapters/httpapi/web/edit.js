import { below, call, get, isMap, once, parse, unlessEmpty } from "./api.js";
import { branchOf, documentPath } from "./catalog.js";
import { address, fault, field, h, link, notice, tell } from "./dom.js";
import { refusal } from "./releases.js";

// A new document of a kind has these fields to fill in.
const starts = {
  __proto__: null,
  Product: { id: "", slug: "", title: "", sku: "", category: "", price: "", currency: "", status: "draft", inventory_status: "in_stock", tags: [], images: [], links: [], fields: {}, body: "" },
  Category: { id: "", slug: "", title: "", parent: "", position: 0, fields: {}, body: "" },
  Collection: { id: "", slug: "", title: "", products: [], fields: {}, body: "" },
};
const choices = {
  status: ["active", "draft", "archived"],
  inventory_status: ["in_stock", "low_stock", "out_of_stock", "preorder", "made_to_order"],
};
const required = (kind) => ["id", ...(starts[kind] ? ["slug", "title"] : []), ...(kind === "Product" ? ["sku", "category", "price", "currency"] : [])];
const fixed = ["kind", "path", "path_base64", "blob_id", "ancestors", "children", "body_html"];

let edited = () => false;

/** unsaved reports whether the form that is shown holds what is saved nowhere. */
export const unsaved = () => edited();

/** mayLeave asks before what is not saved is given up. */
export function mayLeave() {
  const leaves = !unsaved() || confirm("Leave without saving? What you changed is lost.");
  if (leaves) edited = () => false;
  return leaves;
}

/** form edits a document, or makes a new one if it has no id. What is saved is checked by the service before it is committed. */
export async function form(repository, { kind = "Product", id, at = "" }, signal) {
  const status = await unlessEmpty(repository, get(below(repository, "catalog"), { at }, { signal }), {}, signal);
  // Edits go to a branch: the one that is shown, else the one that the service chooses.
  const branch = status.ref?.startsWith("refs/heads/") ? status.ref.slice(11) : await branchOf(repository, signal);
  const path = documentPath(repository, kind, id ?? "");
  let etag, old = starts[kind] ?? { id: "", slug: "", title: "", fields: {}, body: "" };
  if (id) {
    const answer = await call("GET", path, { params: { at: branch }, signal });
    [old, etag] = [answer.value, answer.headers.get("ETag")];
  }
  const controls = new Map(Object.entries(old).filter(([name]) => !fixed.includes(name) && !(id && name === "id")).map(([name, value]) => [name, control(name, value)]));
  if (!id) for (const name of required(kind)) controls.get(name).element.required = true;
  const message = h("input", { id: "commit-message", autocomplete: "off", placeholder: (id ? "Change " : "Add ") + kind.toLowerCase() });

  const send = async (dryRun) => {
    tell();
    for (const c of controls.values()) fault(c.element);
    try {
      const changes = read(controls, old, !id);
      if (id && Object.keys(changes).length === 0) return tell(notice("", h("p", null, "Nothing is changed.")));
      const params = { branch, message: message.value, dry_run: dryRun || null };
      const target = id ? path : below(repository, "catalog", "documents", kind);
      await (dryRun ? call : once)(id ? "PATCH" : "POST", target, { params, body: changes, headers: id ? { "If-Match": etag } : {} });
      if (dryRun) return tell(notice("good", h("p", null, "The catalog would be in order with this.")));
      written(address(repository, "document", { kind, id: id ?? changes.id, at: branch }));
    } catch (e) { refused(e); }
  };
  const remove = async () => {
    if (!confirm("Delete " + (old.title || id) + " from branch " + branch + "?")) return;
    tell();
    try {
      await once("DELETE", path, { params: { branch, message: message.value }, headers: { "If-Match": etag } });
      written(address(repository, "catalog", { kind, at: branch }));
    } catch (e) { refused(e); }
  };
  const written = (next) => {
    if (!message.isConnected) return; // somebody went elsewhere meanwhile
    edited = () => false;
    location.hash = next;
  };
  const refused = (e) => {
    tell(refusal(repository, e, branch), ...(e.current ? [conflict(e.current, e.etag)] : []));
    const here = [{ field: e.field, message: e.message }, ...(e.problems ?? []).filter((p) => !id || p.path === old.path)];
    for (const [name, c] of controls) {
      const faults = here.filter((p) => controlOf(controls, p.field) === name);
      if (faults.length) fault(c.element, ...faults.map((p) => p.message));
    }
  };
  // Of two editors the second sees what the first did, and decides field by field.
  const conflict = (current, currentTag) => {
    const theirs = Object.entries(current).filter(([name, v]) => controls.has(name) && JSON.stringify(v) !== JSON.stringify(old[name]));
    const take = () => {
      for (const [name, v] of theirs) {
        const c = controls.get(name);
        if (c.untouched()) c.set(v);
        else if (isMap(v)) c.rebase(applyPatch(v, mergePatch(old[name] ?? {}, c.read())));
      }
      etag = currentTag;
      old = current;
      tell(notice("", h("p", null, "Your fields are kept, the others are as they are now. Save once more to write them.")));
    };
    return notice("", h("p", null, "Somebody changed meanwhile: "), h("ul", null, theirs.map(([name, v]) => h("li", null, h("code", null, name), ": ", typeof v === "string" ? v : JSON.stringify(v)))),
      h("button", { type: "button", onclick: take }, "Merge"));
  };

  edited = () => message.isConnected && [...controls.values()].some((c) => !c.untouched());
  return [h("h1", null, id ? "Edit " + (old.title || id) : "New " + kind.toLowerCase()),
    h("p", { class: "muted" }, at && at !== branch && at !== "refs/heads/" + branch && "What is shown is " + at + ". ", "On branch " + branch + (id ? ", in " + old.path : "")),
    h("form", { onsubmit: (e) => { e.preventDefault(); send(false); } },
      [...controls].map(([name, c]) => field(name, c.element, c.help)), field("Message of the commit", message),
      h("p", { class: "bar" }, h("button", { type: "button", onclick: () => send(true) }, "Check"), h("button", { class: "main" }, "Save"),
        id && [link("Cancel", repository, "document", { kind, id, at }), h("button", { type: "button", onclick: remove }, "Delete")]))];
}

/** control is an input for a value, which it reads back as the type that it was. */
function control(name, value) {
  const id = "edit-" + name;
  if (choices[name]) {
    const element = h("select", { id }, choices[name].map((c) => h("option", { selected: c === value }, c)));
    return plain(element, value, (v) => v);
  }
  if (name === "body") return plain(h("textarea", { id, rows: 14, class: "source" }, value), value, (v) => v);
  if (typeof value === "string") return plain(h("input", { id, value, autocomplete: "off" }), value, (v) => v);
  if (typeof value === "number") return plain(h("input", { id, value, inputmode: "decimal", autocomplete: "off" }), value, numeric);
  if (Array.isArray(value) && value.every((v) => typeof v === "string") && !["images", "links"].includes(name)) {
    return plain(h("textarea", { id, rows: Math.min(8, value.length + 1) }, value.join("\n")), value, (v) => v.split("\n").filter(Boolean), (v) => v.join("\n"), "One in a line.");
  }
  const text = (v) => JSON.stringify(v, null, 2);
  return plain(h("textarea", { id, class: "source", rows: Math.min(14, text(value).split("\n").length + 1) }, text(value)), value, parse, text, "As JSON.");
}

const numeric = (v) => (v.trim() === "" ? null : /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(v.trim()) ? parse(v.trim()) : NaN);

function plain(element, value, parse, format = String, help = undefined) {
  let start = element.value;
  const rebase = (v) => { element.value = format(v); };
  // The browser changes line ends, and what an input of one line cannot hold: untouched is what is as it was shown.
  const set = (v) => { rebase(v); start = element.value; };
  return { element, help, untouched: () => element.value === start, read: () => parse(element.value), set, rebase };
}

/** read returns all members of a new document that are filled in, and else a merge patch (RFC 7396) of those that differ. */
function read(controls, old, isNew) {
  const changes = {};
  for (const [name, c] of controls) {
    if (!isNew && c.untouched()) continue;
    let value;
    const refuse = (message) => { throw Object.assign(new Error(name + message), { field: name }); };
    try { value = c.read(); } catch (e) { refuse(" is no JSON: " + e.message); }
    if (name === "fields" && !isMap(value)) refuse(" has to be an object");
    if (typeof value === "number" && !Number.isFinite(value)) refuse(" has to be a number");
    const same = JSON.stringify(value) === JSON.stringify(old[name]);
    if (isNew ? ["\"\"", "[]", "{}"].includes(JSON.stringify(value)) : same) continue;
    changes[name] = isNew ? value : name === "fields" ? mergePatch(old[name] ?? {}, value) : value === "" && name !== "body" ? null : value;
  }
  return changes;
}

/** applyPatch applies a merge patch. */
function applyPatch(to, patch) {
  const out = { ...to };
  for (const [name, v] of Object.entries(patch)) {
    if (v === null) delete out[name];
    else out[name] = isMap(v) ? applyPatch(isMap(out[name]) ? out[name] : {}, v) : v;
  }
  return out;
}

/** mergePatch is the merge patch that leads from one map to another. */
function mergePatch(from, to) {
  const patch = {};
  for (const name of Object.keys(from)) if (!(name in to)) patch[name] = null;
  for (const [name, v] of Object.entries(to)) {
    if (JSON.stringify(v) === JSON.stringify(from[name])) continue;
    patch[name] = isMap(v) && isMap(from[name]) ? mergePatch(from[name], v) : v;
  }
  return patch;
}

/** controlOf is the name of the control that a field is in. */
function controlOf(controls, field) {
  const name = (field ?? "").split(/[.[]/, 1)[0];
  return controls.has(name) ? name : name && "fields";
}
