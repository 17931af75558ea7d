import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Stat } from "#src/api/port.ts";
import { loadConfig, requireConfig } from "#src/config/load.ts";
import { problemsText } from "#src/config/problem.ts";
import { toDbusError } from "#src/errors.ts";
import { type Daemon, startDaemon } from "#src/main.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { recordedLog } from "./support/recorded-log.ts";
import { registry } from "./support/sample-daemon.ts";
import { waitFor } from "./support/wait-for.ts";

const good = `admin: {enabled: false}
inputs:
  - {name: in, plugin: MockInput, rate: 2000}
  - {name: other, plugin: MockInput, rate: 10}
filters:
  - {name: f, plugin: MockFilter, match: in}
  - {name: g, plugin: MockFilter, match: f}
outputs:
  - {name: out, plugin: MockOutput, match: g}
  - {name: rest, plugin: MockOutput, match: [in, other]}
`;

/** What the file holds when it is read again. */
let text = good;
let daemon: Daemon;
const log = recordedLog();

beforeAll(async () => {
  const options = { registry, env: {} };
  const config = await requireConfig("bus.yaml", { ...options, text });
  const load = () => loadConfig("bus.yaml", { ...options, text });
  daemon = await startDaemon(config, { log: log.log, state: memoryState(), load });
});
afterAll(() => daemon.stop("the test is over"));

const line = (of: string) => good.split("\n").findIndex((one) => one.includes(of)) + 1;

/** An edit of the file, the line that is named, what is said of it, and what would be right. */
type Case = readonly [
  what: string,
  from: string,
  to: string,
  at: string,
  says: string,
  remedy: string,
];

const cases: readonly Case[] = [
  [
    "a cycle of two",
    "match: in}",
    "match: [in, g]}",
    "name: f",
    "a cycle: f -> g -> f",
    "give it another ident",
  ],
  [
    "a filter that feeds itself",
    "match: f}",
    "match: [f, g]}",
    "name: g",
    "a cycle: g -> g",
    "itself",
  ],
  [
    "a cycle by a pattern",
    "match: in}",
    "match: '*'}",
    "name: f",
    "a cycle: f",
    "narrow the match of f",
  ],
  [
    "a match that nobody sends",
    "match: g}",
    "match: nobody}",
    "name: out",
    "out matches nobody, which nothing can send",
    "what is sent: in, other, f, g",
  ],
  [
    "a match with a slip",
    "[in, other]",
    "[in, othr]",
    "name: rest",
    "which nothing can send",
    'did you mean "other"?',
  ],
  [
    "a match of an output",
    "match: g}",
    "match: rest}",
    "name: out",
    "out matches rest, which nothing can send",
    "what is sent",
  ],
  [
    "one name in one list twice",
    "name: g,",
    "name: f,",
    "name: g",
    "a second entry is called f",
    "the first is at bus.yaml:6:",
  ],
  [
    "one name in two lists",
    "name: rest",
    "name: in",
    "name: rest",
    "a second entry is called in",
    "rename one of them",
  ],
  [
    "an unknown section",
    "filters:",
    "filter:",
    "filters:",
    "unknown section filter",
    'did you mean "filters"?',
  ],
  [
    "an unknown key of a plugin",
    "rate: 10",
    "rat: 10",
    "name: other",
    "unknown key rat",
    'did you mean "rate"?',
  ],
  [
    "an unknown key of a section",
    "{enabled: false}",
    "{enabeld: false}",
    "admin:",
    "unknown key enabeld",
    'did you mean "enabled"?',
  ],
  [
    "an unknown key further down",
    "match: g}",
    "match: g, batch: {linger: 1}}",
    "name: out",
    "unknown key linger",
    'did you mean "lingerMs"?',
  ],
  [
    "an unknown plugin",
    "MockFilter, match: f",
    "MokFilter, match: f",
    "name: g",
    "there is no plugin MokFilter",
    'did you mean "MockFilter"?',
  ],
  [
    "a plugin of another kind",
    "MockOutput, match: g",
    "MockInput, match: g",
    "name: out",
    "MockInput is an input, not an output",
    'did you mean "MockOutput"?',
  ],
  [
    "a filter that matches nothing",
    "match: f}",
    "match: []}",
    "name: g",
    "at least 1",
    "one or a list",
  ],
  [
    "no output at all",
    good.slice(good.indexOf("outputs:")),
    "outputs: []\n",
    "outputs:",
    "no outputs",
    "add at least one",
  ],
  [
    "half of the file",
    good.slice(good.indexOf("match: [in,")),
    "match: [in,",
    "name: rest",
    "",
    "",
  ],
  [
    "a value of another kind",
    "rate: 2000",
    "rate: fast",
    "name: in,",
    "a string stands where number should",
    "Packets a second",
  ],
];

const refused = () => log.entries.filter(({ message }) => message.includes("was refused"));

test.each(cases)(
  "%s changes nothing that is running, and is told with its place (fault 85) (fault 85)",
  async (_, from, to, at, says, remedy) => {
    await waitFor(() => packets(daemon.admin.stat()) > 0, { what: "rows" });
    const before = daemon.admin.topology();
    const tree = actorsOf(daemon);
    const told = refused().length;
    text = good.replace(from, to);
    expect(text).not.toBe(good);
    const error = toDbusError(await daemon.reload("a test").catch((thrown) => thrown));
    const own = error.problems?.filter(({ severity }) => severity === "error") ?? [];
    const found = own.find(
      (one) =>
        one.place.line === line(at) && one.message.includes(says) && one.remedy.includes(remedy),
    );
    if (!found) throw new Error(`no such problem in\n${problemsText(error.problems ?? [])}`);
    expect(found.place).toMatchObject({ file: "bus.yaml", column: expect.any(Number) });
    expect(refused().length).toBe(told + 1);
    const { config } = daemon.admin.stat();
    expect(config).toMatchObject({ version: 1, refused: { code: error.code } });
    expect([daemon.admin.topology(), actorsOf(daemon)]).toEqual([before, tree]);
    const now = packets(daemon.admin.stat());
    await waitFor(() => packets(daemon.admin.stat()) > now, { what: "more rows" });
  },
);

test("after all of these a good one is taken, and the refusal is forgotten (fault 84)", async () => {
  text = good.replace("rate: 10", "rate: 20");
  expect(await daemon.reload("a test")).toMatchObject({ outcome: "applied", version: 2 });
  expect(daemon.admin.stat().config).toMatchObject({ version: 2, refused: null });
  text = `# only a comment\n${text}`;
  expect(await daemon.reload("a test")).toMatchObject({ outcome: "unchanged", version: 2 });
});

test("all wrong things are in one answer, in the order of the file", async () => {
  text = good.replace("rate: 10", "rat: 10").replace("{enabled: false}", "{enabeld: false}");
  const { problems } = toDbusError(await daemon.reload("a test").catch((thrown) => thrown));
  expect(problems?.map(({ message }) => message)).toEqual([
    "unknown key enabeld",
    "unknown key rat",
  ]);
});

const packets = ({ outputs }: Stat) => outputs.reduce((sum, one) => sum + one.packets, 0);

function actorsOf({ admin }: Daemon): unknown {
  const flat = (one: ReturnType<typeof admin.supervisor>): unknown[] => [
    [one.path, one.state, one.restarts],
    ...one.children.flatMap(flat),
  ];
  return flat(admin.supervisor());
}
