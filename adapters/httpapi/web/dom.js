// Elements are made, never parsed from text: what comes from a repository cannot become markup.

/** h makes an element. Attributes that are false, null or undefined are left out; on… are listeners; children may be nested lists. */
export function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (value === true) e.setAttribute(name, "");
    else if (value !== false && value != null) e.setAttribute(name, value);
  }
  e.append(...flat(children));
  return e;
}

/** flat is what is there of nested lists. */
export const flat = (children) => [children].flat(Infinity).filter((c) => c != null && c !== false);

/** link leads to a view of this page. Parameters that are empty are left out. */
export const link = (text, repository, view, params, attributes) => h("a", { href: address(repository, view, params), ...attributes }, text);

export function address(repository, view = "", params = {}) {
  const given = Object.entries(params).filter(([, v]) => v !== "" && v != null);
  const query = new URLSearchParams(given).toString();
  return "#/" + encodeURIComponent(repository) + (view && "/" + view) + (query && "?" + query);
}

/** tagRef is the ref of a tag: of a short name a branch is meant if there is one. */
export const tagRef = (name) => "refs/tags/" + name;

/** table of rows, each a list of cells; a cell is what it shows, or a td. */
export function table(heads, rows, empty) {
  if (rows.length === 0) return h("p", { class: "muted" }, empty);
  const cell = (c) => (c instanceof HTMLTableCellElement ? c : h("td", null, c ?? ""));
  return h("table", null,
    h("thead", null, h("tr", null, heads.map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", null, rows.map((r) => h("tr", null, r.map(cell)))));
}

export const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(([, v]) => v != null && v !== "").map(([k, v]) => [h("dt", null, k), h("dd", null, v)]));

export const number = (n) => h("td", { class: "number" }, n.toLocaleString());

export const time = (t) => h("time", { datetime: t, title: t }, new Date(t).toLocaleString());

export const shortID = (id) => h("code", { title: id }, id.slice(0, 10));

/** notice tells of something; a bad one is read out at once. */
export const notice = (kind, ...children) => h("div", { class: "notice " + kind, role: kind === "bad" && "alert" }, children);

/** tell shows notices above the view, until the next one. They are read out: the place for them is always there. */
export function tell(...notices) {
  const told = document.getElementById("told");
  told.replaceChildren(...notices);
  told.firstChild?.scrollIntoView({ block: "nearest" });
}

/** field is a labelled control, with what helps to fill it in and room for what is wrong with it. */
export function field(label, control, help) {
  control.id ||= "field-" + label.replace(/\W+/g, "-");
  const notes = [help && h("small", { class: "muted", id: control.id + "-help" }, help), h("small", { class: "error", id: control.id + "-error" })].filter(Boolean);
  control.setAttribute("aria-describedby", notes.map((n) => n.id).join(" "));
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, notes);
}

/** fault says at the control of a field what is wrong with it, if anything is. */
export function fault(control, ...texts) {
  if (texts.length) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
  control.parentElement.querySelector(".error").textContent = texts.join("; ");
}
