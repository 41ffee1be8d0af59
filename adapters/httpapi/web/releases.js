import { below, call, get, missing, once } from "./api.js";
import { branchOf, problemTable } from "./catalog.js";
import { address, fault, field, h, link, notice, shortID, table, tagRef, tell, time } from "./dom.js";
import { catchUp } from "./live.js";

export async function list(repository, { page = "" }, signal) {
  const [listing, highest, branch] = await Promise.all([
    get(below(repository, "releases"), { page_size: 50, page_token: page }, { signal }), latest(repository, signal), branchOf(repository, signal)]);
  const rows = listing.items.map((r, i) => [h("strong", null, r.version), r.commit_id && shortLink(repository, r.commit_id), (r.message ?? "").split("\n", 1)[0], r.tagger ? time(r.tagger.time) : "",
    [link("catalog", repository, "catalog", { at: tagRef(r.tag) }), " · ", link("what is new since", repository, "compare", { from: tagRef(r.tag), to: branch }),
      listing.items[i + 1] && [" · ", link("changes", repository, "compare", { from: tagRef(listing.items[i + 1].tag), to: tagRef(r.tag) })],
      (i > 0 || page) && [" · ", h("button", { type: "button", onclick: () => rollBack(repository, r) }, "Roll back to " + r.version)]]]);
  return [h("h1", null, "Releases"), publication(repository, highest, branch), comparisonForm(repository, {}, listing.items),
    table(["Version", "Commit", "Message", "When", "More"], rows, "Nothing has been released yet."),
    listing.next_page_token && h("p", null, link("Older", repository, "releases", { page: listing.next_page_token }))];
}

const shortLink = (repository, id) => link(shortID(id), repository, "commit", { id });

/** latest is the highest release, which may be a pre-release, or null. */
const latest = (repository, signal) => get(below(repository, "releases", "latest"), { prereleases: true }, { signal }).catch(missing);

/** next is the version after one: that which a pre-release leads to, else the next minor number. */
function next(version) {
  const [, major, minor, patch, prerelease] = version?.match(/^(\d+)\.(\d+)\.(\d+)(-?)/) ?? [];
  return !major ? "1.0.0" : prerelease ? [major, minor, patch].join(".") : major + "." + (BigInt(minor) + 1n) + ".0";
}

// The versions that were asked for and not answered: what is tried again has the same, also if it was made and is shown.
const unanswered = new Map();

/** release asks for a release and returns it. */
async function release(path, body) {
  unanswered.set(path, body.version);
  const answered = () => unanswered.delete(path);
  try {
    const { value } = await once("POST", path, { body }, true);
    answered();
    catchUp();
    return value;
  } catch (e) {
    if (e.status >= 400 && e.status < 500) answered();
    throw e;
  }
}

/** notLatest says so of a release that the shop does not show. */
const notLatest = (made, dryRun) => made.latest === false && (dryRun ? " It would not be" : " It is not") + " the latest release: a higher one, or the last that is no pre-release, stays live.";

function publication(repository, highest, branch) {
  const path = below(repository, "releases");
  const version = h("input", { name: "version", required: true, value: unanswered.get(path) ?? next(highest?.version), id: "version", autocomplete: "off" });
  const message = h("input", { name: "message", id: "message", autocomplete: "off" });
  const send = async (dryRun) => {
    fault(version);
    try {
      const body = { version: version.value, message: message.value };
      const made = dryRun ? (await call("POST", path, { body: { ...body, dry_run: true } })).value : await release(path, body);
      if (!dryRun) document.getElementById("version")?.form.reset(); // the form may be shown anew by now
      tell(notice("good", h("p", null, dryRun ? "The catalog is in order, and can be released as " + made.version + "." : "Released " + made.version + ".", notLatest(made, dryRun))));
    } catch (e) {
      tell(refusal(repository, e));
      if (e.field === "version") fault(version, e.message);
    }
  };
  return [h("h2", null, "Publish"), h("form", { class: "bar", onsubmit: (e) => { e.preventDefault(); send(false); } }, field("Version", version), field("Message", message),
    h("button", { type: "button", onclick: () => send(true) }, "Check"), h("button", { class: "main" }, "Publish"),
    highest && link("What is new since " + highest.version, repository, "compare", { from: tagRef(highest.tag), to: branch }))];
}

async function rollBack(repository, r) {
  const path = below(repository, "releases", r.version, "rollback");
  try {
    const version = prompt("Make " + r.version + " the highest release again, under this new version:", unanswered.get(path) ?? await versionBehind(repository, path));
    if (!version) return;
    const made = await release(path, { version });
    tell(notice("good", h("p", null, "Released " + made.version + ", whose files are those of " + r.version + ".", notLatest(made))));
  } catch (e) { tell(refusal(repository, e)); }
}

/** versionBehind is the version that the service gives a roll back, which has none behind a pre-release. */
const versionBehind = (repository, path) => call("POST", path, { body: { dry_run: true } }).then(({ value }) => value.version, async (e) => {
  if (e.field !== "version") throw e;
  return next((await latest(repository)).version);
});

/** refusal says why a request was refused, with every problem. */
export const refusal = (repository, e, at) => notice("bad", h("p", null, e.message), e.problems?.length ? problemTable(repository, at, e.problems) : null);

/** named is a ref as people write it: a release by its tag. */
const named = (ref = "", releases) => releases.find((r) => tagRef(r.tag) === ref)?.tag ?? ref;

function comparisonForm(repository, params, releases) {
  const options = h("datalist", { id: "releases" }, releases.map((r) => h("option", { value: r.tag })));
  const ref = (name) => (releases.some((r) => r.tag === name) ? tagRef(name) : name);
  const from = h("input", { name: "from", required: true, list: "releases", value: named(params.from, releases), id: "from" });
  const to = h("input", { name: "to", list: "releases", value: named(params.to, releases), placeholder: "the present catalog", id: "to" });
  return [h("h2", null, "Compare"), h("form", { class: "bar", onsubmit: (e) => { e.preventDefault(); location.hash = address(repository, "compare", { from: ref(from.value), to: ref(to.value) }); } },
    field("From", from), field("To", to), options, h("button", null, "Compare"))];
}

export async function compare(repository, params, signal) {
  const { from, to = "", page = "" } = params;
  const [d, releases] = await Promise.all([get(below(repository, "catalog", "diff"), { from, to, page_size: 100, page_token: page }, { signal }),
    get(below(repository, "releases"), { page_size: 100 }, { signal })]);
  return [h("h1", null, "From " + named(from, releases.items) + " to " + (named(to, releases.items) || "the present catalog")), comparisonForm(repository, params, releases.items),
    table(["Document", "Change", "Fields"], d.items.map((i) => [
      [i.change === "removed" ? i.title || i.id : link(i.title || i.id, repository, "document", { kind: i.kind, id: i.id, at: to }), h("div", { class: "muted" }, i.kind + " " + i.id)], i.change, difference(i)]),
      "There is no difference."),
    d.next_page_token && h("p", null, link("More", repository, "compare", { ...params, page: d.next_page_token }))];
}

const show = (v) => (v === undefined ? "–" : typeof v === "object" ? JSON.stringify(v) : String(v));

const difference = (i) => [i.fields.map((f) => h("div", null, h("code", null, f.field), ": ", h("del", null, show(f.old)), " → ", h("ins", null, show(f.new)))), i.body_changed && h("div", null, "The text differs.")];
