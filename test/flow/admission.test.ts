import { expect, test } from "bun:test";
import { createAdmission } from "#src/flow/admission.ts";
import { createEdge } from "#src/flow/edge.ts";
import { createInputStats } from "#src/flow/node-stats.ts";
import { createPartitionSet } from "#src/flow/partition-set.ts";
import { packetOf } from "../support/packets.ts";

/** The gate of an input whose window has room for 10 packets of 100 bytes, of which none settles. */
function setUp() {
  const partitions = createPartitionSet({
    ...{ input: "in", resource: "r", window: { packets: 10, bytes: 1000 }, epoch: 0 },
    ...{ nextLane: () => 1, now: () => 0, after: () => ({ cancel() {} }) },
  });
  const edge = createEdge({
    ...{ from: "in", to: "router", limit: { packets: 100, bytes: 10_000 } },
    ...{ sender: { path: "in", signal() {} }, receiver: { send() {}, signal() {} } },
  });
  const admission = createAdmission({ partitions, edge, stats: createInputStats(), onRoom() {} });
  const run = admission.begin(new AbortController().signal);
  const emit = (count: number) =>
    run.batch(
      Array.from({ length: count }, (_, i) => packetOf("in", i + 1)),
      "0",
    );
  return { admission, emit };
}

test("what is promised to others counts against the window, with nothing in flight as well", () => {
  const { admission, emit } = setUp();
  expect(admission.hasCredit(1, 400, 600)).toBe(true);
  expect(admission.hasCredit(1, 401, 600)).toBe(false);
  expect(admission.hasCredit(1, 100, 1000)).toBe(false);
  emit(3);
  expect(admission.hasCredit(1, 400, 300)).toBe(true);
  expect(admission.hasCredit(1, 401, 300)).toBe(false);
});

test("what is larger than the window has to be alone", () => {
  const { admission, emit } = setUp();
  expect(admission.hasCredit(1, 5000)).toBe(true);
  expect(admission.hasCredit(1, 5000, 1)).toBe(false);
  expect(admission.hasCredit(1, 1, 5000)).toBe(false);
  emit(1);
  expect(admission.hasCredit(1, 5000)).toBe(false);
});
