import { expect, test } from "vitest";
import { oldAddress } from "./old-address";

test("links in notifications of the peer open the same view", () => {
  expect(oldAddress("#/alerts?receiver=team-x")).toBe("alerts?receiver=team-x");
  expect(oldAddress("#/alerts?silenced=true&active=true&filter=%7Ba%3D%22b%3F%22%7D")).toBe("alerts?filter=%7Ba%3D%22b%3F%22%7D&active=true&silenced=true");
  expect(oldAddress("#/alerts?customGrouping=true&group=a%2Cb")).toBe("alerts?group=a%2Cb");
  expect(oldAddress("#/alerts?customGrouping=true")).toBe("alerts?group=alertname");
  expect(oldAddress("#/silences/new?filter=%7Ba%3D%22b%22%7D&comment=c")).toBe("silences?new=%7Ba%3D%22b%22%7D&comment=c");
  expect(oldAddress("#/silences/new")).toBe("silences?new=%7B%7D");
  expect([oldAddress("#/silences/12"), oldAddress("#/silences/12/edit"), oldAddress("#/silences?filter=x")]).toEqual(["silences?id=12", "silences?edit=12", "silences?filter=x"]);
  expect([oldAddress("#/status"), oldAddress("#/"), oldAddress("#main"), oldAddress("")]).toEqual(["cluster", "alerts", undefined, undefined]);
});
