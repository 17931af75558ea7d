import { packetOf, textOf } from "./packets.ts";
import { inputOf, outputOf } from "./probe-plugins.ts";
import { inputEntry, outputEntry, startTestBus } from "./test-bus.ts";

/*
 * A process of its own whose bus may write for as long as it was told last: a line of standard input
 * is how many milliseconds from now. Each line of its output is a packet and by how many
 * milliseconds its write began too late, or again and again whether the output holds something.
 */
let until = Number.NEGATIVE_INFINITY;

const out = outputOf((packets) => {
  const late = Math.max(0, performance.now() - until);
  for (const packet of packets) process.stdout.write(`${textOf(packet)} ${late}\n`);
});

const endless = inputOf(async (context) => {
  for (let n = 1; !context.signal.aborted; n++) {
    await context.emitBatch([packetOf(context.ident, n)]);
    await Bun.sleep(1);
  }
});

const bus = await startTestBus({
  inputs: [inputEntry("in", endless, { paused: true })],
  outputs: [outputEntry("out", out, ["in"])],
  bus: { window: { packets: 100, bytes: 1 << 20 } },
});
for (const { partitions } of bus.wiring.inputs)
  partitions.mayEmit = () => performance.now() < until;
await bus.admin.resume("in");

setInterval(() => {
  const held = bus.admin.stat().outputs[0]?.note?.startsWith("holding");
  process.stdout.write(held ? "held\n" : "free\n");
}, 5);

for await (const line of console) until = performance.now() + Number(line);
await bus.stop();
process.exit(0);
