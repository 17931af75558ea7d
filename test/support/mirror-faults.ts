import type { DaemonProcess } from "./daemon-process.ts";
import type { FaultProxy } from "./fault-proxy.ts";
import type { Random } from "./random.ts";

/** One thing that goes wrong; it is over when it resolves. */
export type MirrorFault = (around: {
  readonly daemon: () => DaemonProcess;
  readonly again: () => Promise<void>;
  readonly proxy: FaultProxy;
  readonly random: Random;
}) => Promise<void>;

const pauseMs = (random: Random) => Bun.sleep(random.int(200, 1_500));

/** What happens to a mirror, its connections and its process, by name. */
export const mirrorFaults: Readonly<Record<string, MirrorFault>> = {
  async killed({ daemon, again }) {
    daemon().kill("SIGKILL");
    await daemon().exited;
    await again();
  },
  async stopped({ daemon, again }) {
    const code = await daemon().stop();
    if (code !== 0) throw new Error(`the stop ended with ${code}`);
    await again();
  },
  async paused({ daemon, random }) {
    daemon().kill("SIGSTOP");
    await pauseMs(random);
    daemon().kill("SIGCONT");
  },
  async cut({ proxy, random }) {
    proxy.cut(random.chance(0.5) ? "reset" : "close");
  },
  async silent({ proxy, random }) {
    const toxic = proxy.add({ type: "blackhole" });
    await pauseMs(random);
    toxic.remove();
    proxy.cut("reset");
  },
  // Produce, Fetch, Metadata, OffsetCommit, JoinGroup, Heartbeat, SyncGroup.
  async unanswered({ proxy, random }) {
    const apiKey = random.pick([0, 0, 1, 3, 8, 11, 12, 14]);
    proxy.add({ type: "swallow_reply", to: { apiKey } });
    await pauseMs(random);
  },
};

/** The same, with answers of transactions among those that are lost, several at a time. */
export const transactionFaults: typeof mirrorFaults = {
  ...mirrorFaults,
  async unanswered({ proxy, random }) {
    // Produce, Fetch, Metadata, InitProducerId, AddPartitionsToTxn, EndTxn.
    for (let n = random.int(1, 3); n > 0; n--) {
      const apiKey = random.pick([0, 1, 3, 22, 24, 26, 26, 26]);
      proxy.add({ type: "swallow_reply", to: { apiKey }, cut: random.chance(0.5) });
    }
    await Bun.sleep(random.int(200, 3_500));
  },
};
