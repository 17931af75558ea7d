import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig, requireConfig } from "#src/config/load.ts";
import { startDaemon } from "#src/main.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { hastyClock } from "./support/hasty-clock.ts";
import { recordedLog } from "./support/recorded-log.ts";
import { registry } from "./support/sample-daemon.ts";
import { tempDir } from "./support/temp-dir.ts";
import { waitFor } from "./support/wait-for.ts";

const dir = tempDir("filter-timeout");
const file = join(dir, "bus.yaml");
const out = join(dir, "out.txt");
const text = `admin: {enabled: false}
inputs: [{name: in, plugin: MockInput, count: 10, payload: rows}]
filters:
  - {name: stuck, plugin: ScriptFilter, match: in, file: ./stuck.ts}
  - {name: told, plugin: ScriptFilter, match: in, file: ./stuck.ts, timeoutMs: 7}
  - {name: slow, plugin: ThrottleFilter, match: stuck, perSecond: 1000}
  - {name: bounded, plugin: ThrottleFilter, match: in, perSecond: 1000, timeoutMs: 8}
outputs:
  - {name: out, plugin: StreamOutput, match: slow, file: ${out}}
  - {name: rest, plugin: MockOutput, match: [told, bounded]}
`;
writeFileSync(
  join(dir, "stuck.ts"),
  "let n = 0;\nexport function filter(change) {\n" +
    "  if (BigInt(change.after?.id ?? change.before.id) === 4n) return new Promise(() => {});\n" +
    "  return change;\n}\n",
);
const options = { registry, env: {}, text };

test("a filter's call has half a minute unless told, and a throttle waits for as long as it takes", async () => {
  const { filters } = await requireConfig(file, options);
  expect(filters.map(({ name, timeoutMs }) => [name, timeoutMs])).toEqual([
    ["stuck", 30_000],
    ["told", 7],
    ["slow", 0],
    ["bounded", 8],
  ]);
});

test("without a timeoutMs in the configuration too, what never settles becomes a dead letter", async () => {
  const without = text.replace(/^.*(told|bounded).*\n/gm, "");
  const config = await requireConfig(file, { ...options, text: without });
  const clock = hastyClock(30_000);
  const load = () => loadConfig(file, options);
  const daemon = await startDaemon(config, {
    ...{ log: recordedLog().log, state: memoryState(), load, clock },
  });
  afterAll(() => daemon.stop("the test is over"));
  const lines = () => (existsSync(out) ? readFileSync(out, "utf8").split("\n").slice(0, -1) : []);
  await waitFor(() => daemon.admin.stat().inputs[0]?.inFlight === 0 && lines().length >= 9, {
    what: "the others",
  });
  expect(daemon.admin.deadLetters({})).toMatchObject([
    { node: "stuck", code: "PACKET_POISON", crashes: 3 },
  ]);
  expect(daemon.admin.deadLetters({})[0]?.reason).toContain("did not return within 30000 ms");
  expect(lines()).toHaveLength(9);
});
