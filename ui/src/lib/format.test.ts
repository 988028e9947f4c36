import { expect, test } from "vitest";
import { bytes, duration, short, time } from "./format";

test("numbers keep what matters", () => {
  expect([short(0), short(999), short(12345), short(-2.5e9), short(0.00001), short(Number.NaN)]).toEqual(
    ["0", "999", "12.35 k", "-2.5 G", "1.00e-5", "NaN"],
  );
});

test("bytes are in powers of 1024", () => {
  expect([bytes(0), bytes(1024), bytes(1.5 * 1024 ** 3)]).toEqual(["0 B", "1 KiB", "1.5 GiB"]);
});

test("durations show two units", () => {
  expect([duration(12), duration(61_000), duration(90_061_000)]).toEqual(["12ms", "1m 1s", "1d 1h"]);
});

test("times in UTC end with Z", () => {
  expect(time(0, true)).toBe("1970-01-01 00:00:00Z");
});
