import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig, requireConfig } from "#src/config/load.ts";
import { type Daemon, startDaemon } from "#src/main.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { recordedLog } from "./support/recorded-log.ts";
import { registry } from "./support/sample-daemon.ts";
import { waitFor } from "./support/wait-for.ts";

const dir = mkdtempSync(join(tmpdir(), "dbus-script-"));
const file = join(dir, "bus.yaml");
const script = (body: string) =>
  writeFileSync(
    join(dir, "mark.ts"),
    `export function filter(change) { ${body} return change; }\n`,
  );
const marks = (mark: string) => script(`if (change.after) change.after.note = "${mark}";`);

const text = `admin: {enabled: false}
inputs:
  - {name: in, plugin: MockInput, rate: 500, payload: rows}
filters:
  - {name: mark, plugin: ScriptFilter, match: in, file: ./mark.ts}
outputs:
  - {name: out, plugin: StreamOutput, match: mark, file: ${join(dir, "out.txt")}}
`;

let daemon: Daemon;
const log = recordedLog();

beforeAll(async () => {
  marks("first");
  const options = { registry, env: {}, text };
  const load = () => loadConfig(file, options);
  const config = await requireConfig(file, options);
  daemon = await startDaemon(config, { log: log.log, state: memoryState(), load });
});
afterAll(async () => {
  await daemon.stop("the test is over");
  rmSync(dir, { recursive: true, force: true });
});

function written(): string[] {
  const path = join(dir, "out.txt");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}
const came = (mark: string, from = 0) =>
  waitFor(
    () =>
      written()
        .slice(from)
        .some((line) => line.includes(mark)),
    { what: mark },
  );
const reload = () => daemon.admin.reload({ by: "a test", dryRun: false });

test("a reload takes a script that has changed, again and again, and nothing else restarts", async () => {
  await came("first");
  for (const mark of ["second", "third", "first"]) {
    const before = written().length;
    marks(mark);
    const { changes } = await reload();
    expect(changes).toEqual([
      {
        kind: "filter",
        name: "mark",
        change: "changed",
        keys: ["content of ./mark.ts"],
        restarts: true,
      },
    ]);
    await came(mark, before);
  }
  expect((await reload()).changes).toEqual([]);
});

test("one that is no TypeScript is refused, and the one before goes on", async () => {
  script("change.after = ;");
  await expect(reload()).rejects.toMatchObject({ message: expect.stringContaining("./mark.ts") });
  const before = written().length;
  await waitFor(() => written().length > before + 100, { what: "more" });
  const since = written().slice(before);
  expect(since.some((line) => line.includes("first"))).toBe(true);
});
