import { expect, test } from "bun:test";
import { jsonOf, type Report, tableOf } from "./result.ts";

const report: Report = {
  bench: "dryrun",
  results: [
    {
      ...{ case: "plain", rate: 12_345_678.9, unit: "packets/s", rssMiBMax: 80.06 },
      ...{ cpuSeconds: 3.145, ratio: { raw: 0.256789, benthos: 20 } },
    },
    { case: "p50", rate: 1.25, unit: "ms", rssMiBMax: 80, cpuSeconds: 3 },
  ],
};

test("the JSON report is one object on one line with the fields that were promised", () => {
  const text = jsonOf(report);
  expect(text).not.toContain("\n");
  expect(JSON.parse(text)).toEqual({
    bench: "dryrun",
    results: [
      {
        ...{ case: "plain", rate: 12_345_700, unit: "packets/s", rssMiBMax: 80.1 },
        ...{ cpuSeconds: 3.15, ratio: { raw: 0.2568, benthos: 20 } },
      },
      { case: "p50", rate: 1.25, unit: "ms", rssMiBMax: 80, cpuSeconds: 3, ratio: {} },
    ],
  });
});

test("the table has a line for each case, and columns that stand below one another", () => {
  const lines = tableOf(report).split("\n");
  expect(lines[0]).toBe("bench dryrun");
  expect(lines).toHaveLength(5);
  expect(lines[3]).toBe("plain  12,345,679  packets/s        80    3.1  raw 0.257, benthos 20.0");
  expect(lines[1]?.indexOf("unit")).toBe(lines[4]?.indexOf("ms") ?? -1);
});
