import { systemClock } from "#src/clock.ts";
import type { Packet } from "#src/flow/packet.ts";
import { type Log, silentLog } from "#src/log.ts";
import type { OutputContext } from "#src/plugin/context.ts";
import type { OutputPlugin, Verdict } from "#src/plugin/define.ts";

export type DrivenOutput = {
  write(packets: readonly Packet[]): Promise<readonly Verdict[]>;
  /**
   * Writes as the output actor does: what has to wait goes again before anything newer. Resolves
   * to the errors of what was refused, by index.
   */
  deliver(
    packets: readonly Packet[],
    options?: { readonly batch?: number; readonly delayMs?: number; onRetry?(): void },
  ): Promise<{ readonly refused: ReadonlyMap<number, Error>; readonly retries: number }>;
  close(): Promise<void>;
};

/** Opens an output plugin with its own config checked, outside the bus. */
export async function driveOutput(
  plugin: OutputPlugin,
  config: unknown,
  log: Log = silentLog,
): Promise<DrivenOutput> {
  const abort = new AbortController();
  let atHand: readonly Packet[] = [];
  const context: OutputContext = {
    name: "driven",
    clock: systemClock,
    log,
    stateDir: "",
    signal: abort.signal,
    reportState() {},
    reportThrottle() {},
    reportLeftOut() {},
    fenceAt: () => undefined,
    sources: () => [
      {
        ...{ input: "driven", resource: "driven", partition: "0", from: 0, to: atHand.length },
        compare: (a, b) => Number(a) - Number(b),
        positionAt: (index) => (atHand[index] as Packet).position,
      },
    ],
  };
  const state = await plugin.open(context, plugin.configSchema.parse(config));
  const write = async (packets: readonly Packet[]) => {
    atHand = packets;
    return (await plugin.write(state, packets, context)) ?? packets.map(() => "done" as const);
  };
  return {
    write,
    async deliver(packets, { batch = 256, delayMs = 20, onRetry } = {}) {
      const refused = new Map<number, Error>();
      let next = 0;
      let waiting: number[] = [];
      let retries = 0;
      while (waiting.length > 0 || next < packets.length) {
        if (waiting.length > 0) await Bun.sleep(delayMs);
        else while (waiting.length < batch && next < packets.length) waiting.push(next++);
        const verdicts = await write(waiting.map((index) => packets[index] as Packet));
        const again: number[] = [];
        for (const [i, verdict] of verdicts.entries()) {
          const index = waiting[i] as number;
          if (verdict === "done") continue;
          if ("failed" in verdict) refused.set(index, verdict.failed);
          else again.push(index);
        }
        if (again.length > 0) {
          retries++;
          onRetry?.();
        }
        waiting = again;
      }
      return { refused, retries };
    },
    async close() {
      abort.abort();
      await plugin.close?.(state);
    },
  };
}
