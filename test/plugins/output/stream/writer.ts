import { streamOutput } from "#plugins/output/stream/stream-output.ts";
import type { Packet } from "#src/flow/packet.ts";
import { fakeOutputContext } from "../../../support/fake-context.ts";

/*
 * A process of its own that writes numbered lines to the target of its first argument until it is
 * killed, or until the number of its second argument. It says on standard error what is done.
 */
const [config = "{}", end = "Infinity", size = "200"] = process.argv.slice(2);
const { context } = fakeOutputContext({ name: "w" });
const state = await streamOutput.open(context, streamOutput.configSchema.parse(JSON.parse(config)));
for (let n = 1; n <= Number(end); n += 50) {
  const packets = Array.from({ length: 50 }, (_, i): Packet => {
    const json = `{"n":${n + i},"pad":"${"x".repeat(Number(size))}"}`;
    return { ident: "a", payload: { kind: "document", json }, position: n + i, bytes: 1 };
  });
  const verdicts = await streamOutput.write(state, packets, context);
  if (verdicts !== undefined) throw new Error("refused");
  process.stderr.write(`done ${n + 49}\n`);
}
await streamOutput.close?.(state);
