import { expect, test } from "vitest";
import type { Alert, Group } from "./api";
import { distinct, filtered, groupBy, type Kind, kindsOf, labelNames, labelValues, receiverTest, rows } from "./grouping";

function alert(labels: Record<string, string>, quiet: Partial<Alert["status"]> = {}): Alert {
  const status = { state: "active" as const, silencedBy: [], inhibitedBy: [], mutedBy: [], ...quiet };
  return { labels, annotations: { summary: `of ${labels.alertname}` }, startsAt: "", endsAt: "", updatedAt: "", fingerprint: JSON.stringify(labels), receivers: [], status };
}

const a = alert({ alertname: "A", job: "x" });
const b = alert({ alertname: "B", job: "x" }, { silencedBy: ["1"], inhibitedBy: ["2"] });
const muted = alert({ alertname: "A", job: "x" }, { mutedBy: ["night"] });
const groups: Group[] = [
  { labels: { job: "x" }, receiver: { name: "team" }, alerts: [a, b] },
  { labels: { job: "x" }, receiver: { name: "all.by+mail" }, alerts: [muted] },
];
const wanted = (kinds: Kind[], receiver = "", text = "") => ({ kinds: new Set(kinds), receiver, text });

test("an alert is wanted if nothing unwanted keeps it quiet", () => {
  expect([kindsOf(a), kindsOf(b), kindsOf(muted)]).toEqual([["active"], ["silenced", "inhibited"], ["muted"]]);
  expect(filtered(groups, wanted(["active"])).map((one) => one.alerts)).toEqual([[a]]);
  expect(filtered(groups, wanted(["active", "silenced"]))[0]?.alerts).toEqual([a]);
  expect(filtered(groups, wanted(["silenced", "inhibited", "muted"])).map((one) => one.alerts)).toEqual([[b], [muted]]);
  expect(filtered(groups, wanted(["active"], "", "OF a")).length).toBe(1);
  expect(filtered(groups, wanted(["active"], "", "nothing")).length).toBe(0);
});

test("receivers are wanted by name or by pattern", () => {
  expect([receiverTest("all.by+mail")("all.by+mail"), receiverTest("te.*")("team"), receiverTest("te")("team"), receiverTest("a(")("a("), receiverTest("")("x")]).toEqual([true, true, false, true, true]);
});

test("equal groups of two routes keep keys apart", () => {
  const twice = filtered([groups[0] as Group, groups[0] as Group], wanted(["active"]));
  expect(new Set(twice.map((one) => one.key)).size).toBe(2);
});

test("by labels of choice each alert is there once, and told if any group tells", () => {
  const all = distinct(filtered(groups, wanted(["active", "muted", "silenced", "inhibited"])));
  expect(all).toEqual([a, b]);
  expect(groupBy(all, ["alertname"]).map((one) => one.labels)).toEqual([{ alertname: "A" }, { alertname: "B" }]);
  expect(groupBy(all, ["nope"])).toMatchObject([{ labels: {}, alerts: [a, b] }]);
  expect([labelNames(all), labelValues(all, "job", 5)]).toEqual([["alertname", "job"], ["x"]]);
});

test("a folded group is its head alone, and common labels are said there", () => {
  const bundles = groupBy([a, b], ["job"]);
  expect(rows(bundles, () => true).length).toBe(1);
  const open = rows(bundles, () => false);
  expect(open.length).toBe(3);
  expect(open[0]).toMatchObject({ shared: { job: "x" } });
});

test("a group of one is its alert", () => {
  expect(rows(groupBy([a, b], ["alertname"]), () => true)).toMatchObject([{ kind: "alert", alone: { labels: { alertname: "A" } } }, { alert: b }]);
});
