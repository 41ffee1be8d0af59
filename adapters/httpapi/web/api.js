/** Problem is an answer of the API that is no success (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, etag) {
    super(body.detail || "the service answered with status " + status);
    Object.assign(this, { status, reason: body.reason, field: body.field, problems: body.problems ?? [], current: body.current, request: body.instance, etag });
  }
}

const exact = "rawJSON" in JSON;

/** parse reads JSON. A number that a browser would write otherwise, such as one of more than 53 bits, stays as it is written where browsers can. */
export const parse = (text) => JSON.parse(text, exact ? (_, v, { source } = {}) => (typeof v === "number" && source !== String(v) ? JSON.rawJSON(source) : v) : undefined);

/** isMap tells objects from lists and from numbers that parse left as they are. */
export const isMap = (v) => v !== null && typeof v === "object" && !Array.isArray(v) && !(exact && JSON.isRawJSON(v));

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
    .catch((e) => { throw e.name === "AbortError" ? e : unreachable(); });
  const content = await answer.text().catch((e) => { throw e.name === "AbortError" ? e : unreachable(); });
  if (!answer.ok) throw new Problem(answer.status, jsonOr(content, {}), answer.headers.get("ETag"));
  if (method !== "GET" && repository) {
    const cursor = answer.headers.get("GitStore-Cursor");
    if (cursor) cursors.set(repository, cursor);
  }
  answer.value = text ? content : jsonOr(content, null);
  return answer;
}

const unreachable = () => new Problem(0, { detail: "the service cannot be reached: try again" });

const jsonOr = (text, otherwise) => { try { return parse(text); } catch { return otherwise; } };

// Ids of requests that nothing came of yet, by what they ask for.
const requests = new Map();

/** once is call with an id of the request, as a parameter or member request_id, which the same request has until it succeeds: what is tried again is not done twice. */
export async function once(method, path, { params, body, ...options }, inBody) {
  const key = JSON.stringify([method, path, params, body]);
  if (!requests.has(key)) requests.set(key, uuid());
  const id = { request_id: requests.get(key) };
  const answer = await call(method, path, { ...options, params: inBody ? params : { ...params, ...id }, body: inBody ? { ...body, ...id } : body });
  requests.delete(key);
  return answer;
}

/** uuid is a random UUID: crypto.randomUUID is there for HTTPS and the own machine alone. */
function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 15) | 64;
  b[8] = (b[8] & 63) | 128;
  const hex = [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** missing is null in place of what is not there. */
export const missing = (e) => { if (e instanceof Problem && e.status === 404) return null; throw e; };

/** unlessEmpty is what was asked for, or a substitute if the repository has no commit yet. */
export async function unlessEmpty(repository, asked, substitute, signal) {
  try { return await asked; } catch (e) {
    if (e.status === 404 && (await get(below(repository), {}, { signal })).empty) return substitute;
    throw e;
  }
}

export const get = async (path, params, options) => (await call("GET", path, { params, ...options })).value;

/** below is the path of what a repository has; each part is one segment, whatever it holds. */
export const below = (repository, ...parts) => ["/v1/repositories", repository, ...parts].map((p, i) => (i ? encodeURIComponent(p) : p)).join("/");

/** filePath is the path of a file, whose slashes divide it. */
export const filePath = (repository, path) => below(repository, "files") + "/" + path.split("/").map(encodeURIComponent).join("/");
