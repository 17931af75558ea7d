import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { metricsText } from "#src/metrics.ts";
import { defineFilter } from "#src/plugin/define.ts";
import { counterInput, probeOutput } from "../support/probe-plugins.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { filterEntry, inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses({ stopDeadlineMs: 20, stuckHeadMs: 200 });
const alarm = "a checkpoint is held up by one packet";

describe("a packet that holds up a checkpoint (fault 93)", () => {
  test("is named with its ticket, position and edge, once, until it is settled", async () => {
    const log = recordedLog();
    const blocked = probeOutput();
    const free = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 30 }))],
      outputs: [
        outputEntry("blocked", blocked.plugin, ["in"], {
          batch: { countMax: 1, bytesMax: 1 << 20, lingerMs: 0 },
        }),
        outputEntry("free", free.plugin, ["in"]),
      ],
      log: log.log,
    });
    await waitFor(() => blocked.written.length === 30, { what: "all while nothing is blocked" });
    expect(bus.admin.stat().inputs[0]?.stuck).toEqual([]);
    await bus.stop();

    blocked.close();
    const again = await start({
      state: bus.state,
      inputs: [inputEntry("in", counterInput({ count: 60 }))],
      outputs: [
        outputEntry("blocked", blocked.plugin, ["in"], {
          batch: { countMax: 1, bytesMax: 1 << 20, lingerMs: 0 },
        }),
        outputEntry("free", free.plugin, ["in"]),
      ],
      log: log.log,
    });
    const status = () => again.admin.stat().inputs[0];
    const head = await waitFor(() => status()?.stuck[0], { what: "the stuck head" });
    expect(head).toMatchObject({ partition: "0", ticket: 0, position: "31" });
    expect(head.at).toEqual(["router -> blocked"]);
    expect(head.heldMs).toBeGreaterThanOrEqual(200);
    await waitFor(() => log.entries.some(({ message }) => message === alarm), {
      what: "the alarm",
    });
    expect(await metricsText(again.admin.stat(), again.admin.supervisor())).toMatch(
      /^dbus_input_stuck_seconds\{input="in",resource="in"\} 0\.[2-9]/m,
    );
    // Held for several times as long it is still one alarm, and the checkpoint has not moved.
    await waitFor(() => (status()?.stuck[0]?.heldMs ?? 0) > 700, { what: "much longer" });
    const alarms = log.entries.filter(({ message }) => message === alarm);
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toMatchObject({
      level: "error",
      fields: { input: "in", ticket: 0, position: 31, at: ["router -> blocked"] },
    });
    expect((await bus.state.checkpoints.list())[0]?.position).toBe("30");
    blocked.open();
    await waitFor(() => blocked.written.length === 60, { what: "the rest" });
    expect(status()?.stuck).toEqual([]);
    const settled = ({ message }: { message: string }) => /stuck has been settled/.test(message);
    await waitFor(() => log.entries.some(settled), { what: "the end of the alarm" });
  });

  test("in a filter that never answers hangs on the edge to that filter", async () => {
    const out = probeOutput();
    const never = defineFilter<unknown, null>({
      name: "NeverFilter",
      summary: "answers nothing for the fourth packet",
      configSchema: z.unknown(),
      open: () => null,
      apply: (_, packet, { ident }) =>
        packet.position === 4 ? new Promise(() => {}) : { ...packet, ident },
    });
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 10 }))],
      filters: [filterEntry("never", never, ["in"])],
      outputs: [outputEntry("out", out.plugin, ["never"])],
    });
    const head = await waitFor(() => bus.admin.stat().inputs[0]?.stuck[0], { what: "it" });
    expect(head).toMatchObject({ ticket: 3, position: "4", at: ["router -> never"] });
    expect(out.written).toEqual(["1", "2", "3"]);
  });
});
