// Addresses of the peer's own pages of alerts, which lie behind a hash and are in notifications that were sent long ago.

/** The address of today's page below the base; undefined where the hash is none of the peer's. */
export function oldAddress(hash: string): string | undefined {
  if (!hash.startsWith("#/")) return undefined;
  const [path = "", query = ""] = hash.slice(2).split(/\?(.*)/s);
  const given = new URLSearchParams(query);
  const out = new URLSearchParams();
  const take = (from: string, to = from) => given.get(from) && out.set(to, given.get(from) as string);
  const [page, id, what] = path.split("/");
  if (page === "silences" && id === "new") {
    out.set("new", given.get("filter") ?? "{}");
    take("comment");
  } else if (page === "silences" && id) {
    out.set(what === "edit" ? "edit" : "id", id);
  } else {
    take("filter");
    take("receiver");
    for (const name of ["active", "silenced", "inhibited", "muted"]) take(name);
    if (given.get("customGrouping") === "true") out.set("group", given.get("group") ?? "alertname");
  }
  const to = page === "status" ? "cluster" : page === "silences" ? "silences" : "alerts";
  return to + (out.size > 0 ? `?${out}` : "");
}
