import type { DaemonProcess, Daemons } from "./daemon-process.ts";
import type { FaultProxy } from "./fault-proxy.ts";
import type { KafkaWitness } from "./kafka-topic.ts";
import type { Random } from "./random.ts";
import { waitFor } from "./wait-for.ts";

/** One thing that goes wrong; it is over when it resolves. */
export type MirrorFault = (around: {
  readonly daemon: () => DaemonProcess;
  readonly again: () => Promise<unknown>;
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

export type Faults = {
  readonly kinds: Readonly<Record<string, MirrorFault>>;
  readonly count: number;
  readonly daemons: Daemons;
  readonly proxy: FaultProxy;
  readonly random: Random;
  /** Records move as long as there are more of them here. */
  readonly copy: string;
  readonly witness: KafkaWitness;
};

/**
 * Starts a mirror and has so many faults strike it at random, each while records move: that they do is
 * the proof of the one before. Then `judge` looks at what came of it, by the names of what struck.
 */
export async function throughFaults(
  { kinds, count, daemons, proxy, random, copy, witness }: Faults,
  judge: (told: readonly string[]) => Promise<void>,
): Promise<void> {
  const told: string[] = [];
  await daemons.start();
  const around = { daemon: () => daemons.last, again: daemons.start, proxy, random };
  try {
    for (let n = 0; n < count; n++) {
      const enough = await waitFor(() => witness.readable(copy).then((records) => records + 1), {
        what: "the copy to be looked at",
      });
      const moving = async () => (await witness.readable(copy)) >= enough;
      await waitFor(moving, { what: `records to move after ${told}`, timeoutMs: 60_000 });
      const name = random.pick(Object.keys(kinds));
      told.push(name);
      await kinds[name]?.(around);
      proxy.heal();
    }
    await judge(told);
  } catch (error) {
    process.stderr.write(`[faults] after ${told.join(", ")}:\n${await daemons.last.log()}\n`);
    throw error;
  } finally {
    proxy.heal();
    daemons.kill();
  }
}
