/** Problem is an answer of the API that is no success (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, etag) {
    super(body.detail || "the service answered with status " + status);
    Object.assign(this, { status, reason: body.reason, field: body.field, problems: body.problems ?? [], current: body.current, request: body.instance, etag });
  }
}

// What this page wrote is seen by what it reads next, whichever replica answers: writes leave a cursor, reads wait for it.
const cursors = new Map();

/** reached has the next reads of a repository wait until they show what is at the cursor. */
export const reached = (repository, cursor) => { if (cursor) cursors.set(encodeURIComponent(repository), cursor); };

/** call asks the API and returns its answer with value, the body. It throws a Problem. */
export async function call(method, path, { params = {}, body, headers = {}, signal, text } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(params)) {
    for (const v of [value].flat()) if (v != null && v !== "") url.searchParams.append(name, v);
  }
  const repository = path.match(/^\/v1\/repositories\/([^/]+)/)?.[1];
  if (method === "GET" && cursors.has(repository)) url.searchParams.set("min_cursor", cursors.get(repository));
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const answer = await fetch(url, { method, signal, body: body && JSON.stringify(body), headers: body ? { "Content-Type": type, ...headers } : headers })
    .catch((e) => { throw e.name === "AbortError" ? e : new Problem(0, { detail: "the service cannot be reached: try again" }); });
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})), answer.headers.get("ETag"));
  if (method !== "GET" && repository) {
    const cursor = answer.headers.get("GitStore-Cursor");
    if (cursor) cursors.set(repository, cursor);
  }
  answer.value = text ? await answer.text() : await answer.json().catch(() => null);
  return answer;
}

export const get = async (path, params, options) => (await call("GET", path, { params, ...options })).value;

/** below is the path of what a repository has; each part is one segment, whatever it holds. */
export const below = (repository, ...parts) => ["/v1/repositories", repository, ...parts].map((p, i) => (i ? encodeURIComponent(p) : p)).join("/");

/** filePath is the path of a file, whose slashes divide it. */
export const filePath = (repository, path) => below(repository, "files") + "/" + path.split("/").map(encodeURIComponent).join("/");
