/** Who a process is to the others. */
export type Identity = {
  /** Stable over restarts. */
  readonly pid: string;
  /** New with each session, so that nothing of an older one is taken for this one's. */
  readonly inc: string;
  /** Where its RPC listens, `host:port`; null when it has none. */
  readonly rpc: string | null;
};

/** The greatest epoch that this process has ever seen, kept over restarts. */
export type EpochMemory = { readonly epoch: number; raise(epoch: number): void };

export function memoryOfEpoch(first = 0): EpochMemory {
  let epoch = first;
  return {
    get epoch() {
      return epoch;
    },
    raise(seen) {
      if (seen > epoch) epoch = seen;
    },
  };
}
