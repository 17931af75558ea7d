import { createPartitionSet, type PartitionSet } from "#src/flow/partition-set.ts";

let lanes = 0;

/** The partitions of one resource, outside of a bus. */
export function partitionSetOf(input = "in", options: { readonly fence?: number } = {}) {
  const set: PartitionSet = createPartitionSet({
    input,
    resource: "r",
    window: { packets: 64, bytes: 1 << 20 },
    epoch: 1,
    nextLane: () => ++lanes,
    now: () => performance.now(),
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return { cancel: () => clearTimeout(timer) };
    },
  });
  const { fence } = options;
  if (fence !== undefined) set.renew({ fence, mayEmit: () => true });
  return set;
}
