import { below, call, get, once } from "./api.js";
import { problemTable } from "./catalog.js";
import { address, field, h, link, notice, shortID, table, tell, time } from "./dom.js";

export async function list(repository, { page = "" }, signal) {
  const [listing, { default_branch: head }] = await Promise.all([
    get(below(repository, "releases"), { page_size: 50, page_token: page }, { signal }), get(below(repository), {}, { signal })]);
  const first = listing.items[0];
  const rows = listing.items.map((r, i) => [h("strong", null, r.version), r.commit_id && shortLink(repository, r.commit_id), (r.message ?? "").split("\n", 1)[0], r.tagger ? time(r.tagger.time) : "",
    [link("catalog", repository, "catalog", { at: r.tag }), " · ", link("what is new since", repository, "compare", { from: r.tag, to: head }),
      listing.items[i + 1] && [" · ", link("changes", repository, "compare", { from: listing.items[i + 1].tag, to: r.tag })],
      (i > 0 || page) && [" · ", h("button", { type: "button", onclick: () => rollBack(repository, r) }, "Roll back to " + r.version)]]]);
  return [h("h1", null, "Releases"), publication(repository, first, head), comparisonForm(repository, {}, listing.items),
    table(["Version", "Commit", "Message", "When", "More"], rows, "Nothing has been released yet."),
    listing.next_page_token && h("p", null, link("Older", repository, "releases", { page: listing.next_page_token }))];
}

const shortLink = (repository, id) => link(shortID(id), repository, "commit", { id });

/** next is the version after one, of the next minor number. */
function next(version) {
  const [, major, minor] = version?.match(/^(\d+)\.(\d+)\./) ?? [];
  return major ? major + "." + (Number(minor) + 1) + ".0" : "1.0.0";
}

function publication(repository, latest, head) {
  const version = h("input", { name: "version", required: true, value: next(latest?.version), id: "version", autocomplete: "off" });
  const message = h("input", { name: "message", id: "message", autocomplete: "off" });
  const send = async (dryRun) => {
    try {
      const { value } = await (dryRun ? call : once)("POST", below(repository, "releases"), { body: { version: version.value, message: message.value, dry_run: dryRun } }, true);
      if (!dryRun) version.form.reset();
      tell(notice("good", h("p", null, dryRun ? "The catalog is in order, and can be released as " + value.version + "." : "Released " + value.version + ".")));
    } catch (e) { tell(refusal(repository, e)); }
  };
  return [h("h2", null, "Publish"), h("form", { class: "bar", onsubmit: (e) => { e.preventDefault(); send(false); } }, field("Version", version), field("Message", message),
    h("button", { type: "button", onclick: () => send(true) }, "Check"), h("button", { class: "main" }, "Publish"),
    latest && link("What is new since " + latest.version, repository, "compare", { from: latest.tag, to: head }))];
}

async function rollBack(repository, r) {
  if (!confirm("Make " + r.version + " the highest release again, under a new version?")) return;
  try {
    const { value } = await call("POST", below(repository, "releases", r.version, "rollback"), { body: {} });
    tell(notice("good", h("p", null, "Released " + value.version + ", whose files are those of " + r.version + ".")));
  } catch (e) { tell(refusal(repository, e)); }
}

/** refusal says why a request was refused, with every problem. */
export const refusal = (repository, e, at) => notice("bad", h("p", null, e.message), e.problems?.length ? problemTable(repository, at, e.problems) : null);

function comparisonForm(repository, params, releases) {
  const options = h("datalist", { id: "releases" }, releases.map((r) => h("option", { value: r.tag })));
  const from = h("input", { name: "from", required: true, list: "releases", value: params.from ?? "", id: "from" });
  const to = h("input", { name: "to", list: "releases", value: params.to ?? "", placeholder: "the present catalog", id: "to" });
  return [h("h2", null, "Compare"), h("form", { class: "bar", onsubmit: (e) => { e.preventDefault(); location.hash = address(repository, "compare", { from: from.value, to: to.value }); } },
    field("From", from), field("To", to), options, h("button", null, "Compare"))];
}

export async function compare(repository, params, signal) {
  const { from, to = "", page = "" } = params;
  const [d, releases] = await Promise.all([get(below(repository, "catalog", "diff"), { from, to, page_size: 100, page_token: page }, { signal }),
    get(below(repository, "releases"), { page_size: 100 }, { signal })]);
  return [h("h1", null, "From " + from + " to " + (to || "the present catalog")), comparisonForm(repository, params, releases.items),
    table(["Document", "Change", "Fields"], d.items.map((i) => [
      [i.change === "removed" ? i.title || i.id : link(i.title || i.id, repository, "document", { kind: i.kind, id: i.id, at: to }), h("div", { class: "muted" }, i.kind + " " + i.id)], i.change, difference(i)]),
      "There is no difference."),
    d.next_page_token && h("p", null, link("More", repository, "compare", { ...params, page: d.next_page_token }))];
}

const show = (v) => (v === undefined ? "–" : typeof v === "object" ? JSON.stringify(v) : String(v));

const difference = (i) => [i.fields.map((f) => h("div", null, h("code", null, f.field), ": ", h("del", null, show(f.old)), " → ", h("ins", null, show(f.new)))), i.body_changed && h("div", null, "The text differs.")];
