import type { Toxic } from "../support/fault-proxy.ts";
import type { Random } from "../support/random.ts";
import type { Fault, PlannedFault, Side, SourcePlan } from "./round-plan.ts";

export type FaultsOptions = {
  readonly loadMs: number;
  /** The server that the rows go to; undefined when they go to files alone. */
  readonly sink: "kafka" | "elasticsearch" | undefined;
  readonly smallDisk: boolean;
  readonly source: SourcePlan | { readonly from: "kafka"; readonly grouped: boolean };
  /** How many dbusd there are. */
  readonly daemons: number;
};

type Drawn = { readonly fault: Fault; readonly forMs: number };

type Kind = {
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** How many of them one round has at most. */
  readonly most: number;
  draw(random: Random, options: FaultsOptions): Drawn;
};

const pause = (random: Random) => random.int(100, 2_500);

const dbusdKinds: readonly Kind[] = [
  {
    ...{ weight: 5, most: 3 },
    draw: (random) => ({
      fault: {
        kind: "dbusd-kill",
        downMs: random.pick([0, 0, random.int(0, 1_000)]),
        ranMs: random.chance(0.75) ? random.int(50, 1_500) : undefined,
      },
      forMs: 0,
    }),
  },
  {
    ...{ weight: 2, most: 1 },
    draw: (random) => ({ fault: { kind: "dbusd-term", downMs: random.int(0, 300) }, forMs: 0 }),
  },
  {
    ...{ weight: 2, most: 1 },
    draw: (random) => ({ fault: { kind: "dbusd-pause" }, forMs: pause(random) }),
  },
];

const mysqlKinds: readonly Kind[] = [
  {
    ...{ weight: 1.5, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-kill", side: "mysql" },
      forMs: random.int(0, 1_000),
    }),
  },
  {
    ...{ weight: 2, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-pause", side: "mysql" },
      forMs: random.int(100, 4_000),
    }),
  },
  { ...{ weight: 1, most: 2 }, draw: () => ({ fault: { kind: "rotate" }, forMs: 0 }) },
  { ...{ weight: 1, most: 1 }, draw: () => ({ fault: { kind: "kill-streams" }, forMs: 0 }) },
  { ...{ weight: 6, most: 3 }, draw: (random) => drawNetwork(random, "mysql") },
  {
    ...{ weight: 2, most: 1 },
    draw: (random) => ({
      fault: { kind: "wrong-byte", afterBytes: random.int(0, 20_000) },
      forMs: 2_000,
    }),
  },
  {
    ...{ weight: 1.5, most: 1 },
    draw: (random, { source }) => ({
      fault: {
        ...{ kind: "network", side: "mysql", direction: undefined, cut: true },
        toxic: {
          type: "swallow_reply",
          // COM_BINLOG_DUMP, or what MySQL has for GTIDs beside it.
          to: { command: dumpCommand(source) },
          cut: random.chance(0.5),
        },
      },
      forMs: random.int(1_000, 3_000),
    }),
  },
];

function dumpCommand(source: FaultsOptions["source"]): number {
  return "flavor" in source && source.flavor === "mysql" && source.gtid !== "off" ? 30 : 18;
}

/** The requests of a consumer, and those of a member of a group. */
const fetchKeys = [1, 1, 1, 2, 3];
const groupKeys = [8, 9, 10, 11, 12, 14];

const sourceKinds: readonly Kind[] = [
  {
    ...{ weight: 1, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-kill", side: "source" },
      forMs: random.int(0, 500),
    }),
  },
  {
    ...{ weight: 2, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-pause", side: "source" },
      forMs: random.int(100, 4_000),
    }),
  },
  { ...{ weight: 6, most: 3 }, draw: (random) => drawNetwork(random, "source") },
  {
    ...{ weight: 4, most: 3 },
    draw: (random, { source }) => {
      const grouped = "from" in source && source.grouped;
      const apiKey = random.pick(grouped ? [...fetchKeys, ...groupKeys] : fetchKeys);
      const nth = random.int(1, apiKey === 1 ? 5 : 1);
      return {
        fault: {
          ...{ kind: "network", side: "source", direction: undefined },
          // What is asked once only is asked again when the connection is lost.
          cut: apiKey !== 1 && apiKey !== 8 && apiKey !== 12,
          toxic: { type: "swallow_reply", to: { apiKey }, nth, cut: random.chance(0.5) },
        },
        forMs: random.int(1_000, 3_000),
      };
    },
  },
  {
    ...{ weight: 2, most: 2 },
    draw: () => ({ fault: { kind: "wrong-record", side: "source" }, forMs: 2_000 }),
  },
];

const kafkaKinds: readonly Kind[] = [
  {
    ...{ weight: 1, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-kill", side: "kafka" },
      forMs: random.int(0, 500),
    }),
  },
  {
    ...{ weight: 2, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-pause", side: "kafka" },
      forMs: random.int(100, 4_000),
    }),
  },
  { ...{ weight: 6, most: 3 }, draw: (random) => drawNetwork(random, "kafka") },
  {
    ...{ weight: 3, most: 2 },
    draw: (random) => {
      const apiKey = random.pick([0, 0, 0, 3, 22]);
      const to = { apiKey };
      const nth = random.int(1, apiKey === 0 ? 5 : 1);
      return {
        fault: {
          ...{ kind: "network", side: "kafka", direction: undefined },
          // What is asked once only is asked again when the connection is lost.
          cut: apiKey !== 0,
          toxic: { type: "swallow_reply", to, nth, cut: random.chance(0.5) },
        },
        forMs: random.int(1_000, 3_000),
      };
    },
  },
];

/** A node takes seconds to come back, so it is not killed often. */
const esKinds: readonly Kind[] = [
  {
    ...{ weight: 1, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-kill", side: "elasticsearch" },
      forMs: random.int(0, 500),
    }),
  },
  {
    ...{ weight: 2, most: 1 },
    draw: (random) => ({
      fault: { kind: "server-pause", side: "elasticsearch" },
      forMs: random.int(100, 4_000),
    }),
  },
  { ...{ weight: 8, most: 4 }, draw: (random) => drawNetwork(random, "elasticsearch") },
];

/** A broker finds it by the checksum. */
const copyKinds: readonly Kind[] = [
  {
    ...{ weight: 1, most: 1 },
    draw: () => ({ fault: { kind: "wrong-record", side: "kafka" }, forMs: 2_000 }),
  },
];

const diskKinds: readonly Kind[] = [
  {
    ...{ weight: 8, most: 1 },
    draw: (random) => ({ fault: { kind: "full-disk" }, forMs: random.int(300, 2_500) }),
  },
];

/** Three to seven faults, at moments anywhere in the load; most rounds kill dbusd at least once. */
export function drawFaults(random: Random, options: FaultsOptions): PlannedFault[] {
  const fromKafka = "from" in options.source;
  const kinds = [
    ...dbusdKinds,
    ...(fromKafka ? sourceKinds : mysqlKinds),
    ...(fromKafka && options.sink === "kafka" ? copyKinds : []),
    ...(options.sink === "kafka" ? kafkaKinds : []),
    ...(options.sink === "elasticsearch" ? esKinds : []),
    ...(options.smallDisk ? diskKinds : []),
  ];
  const left = new Map(kinds.map((kind) => [kind, kind.most]));
  const count = random.int(3, 7);
  const { sink } = options;
  const drawn =
    sink !== undefined && random.chance(0.5) ? drawStalledKill(random, options, sink) : [];
  while (drawn.length < count) {
    const kills = drawn.length === 0 && random.chance(0.7);
    const kind = kills ? (kinds[0] as Kind) : pickByWeight(random, [...left.keys()]);
    const remaining = (left.get(kind) ?? 0) - 1;
    if (remaining > 0) left.set(kind, remaining);
    else left.delete(kind);
    const { fault, forMs } = kind.draw(random, options);
    const atMs = random.int(100, options.loadMs - 200);
    drawn.push({ ...atOne(random, fault, options.daemons), atMs, forMs });
  }
  return drawn.sort((a, b) => a.atMs - b.atMs);
}

/** Which of several dbusd it happens to. */
function atOne(random: Random, fault: Fault, daemons: number): Fault {
  if (daemons < 2) return fault;
  switch (fault.kind) {
    case "dbusd-kill":
    case "dbusd-term":
    case "dbusd-pause":
      return { ...fault, which: random.int(0, daemons - 1) };
    default:
      return fault;
  }
}

/**
 * The sink is out of reach, and dbusd is killed a while later: what is in flight then was not written,
 * and the checkpoint that was committed meanwhile must not have passed it. By chance alone the two
 * meet too seldom.
 */
function drawStalledKill(random: Random, { loadMs }: FaultsOptions, side: Side): PlannedFault[] {
  const atMs = random.int(500, loadMs - 1_800);
  const forMs = random.int(1_200, Math.min(2_500, loadMs - atMs - 200));
  const toxics: readonly Toxic[] = [
    ...[{ type: "refuse" } as const, { type: "refuse" } as const],
    ...[{ type: "timeout", ms: 50 } as const, { type: "blackhole" } as const],
  ];
  const toxic = random.pick(toxics);
  return [
    {
      ...{ kind: "network", side, direction: undefined, cut: random.chance(0.5) },
      ...{ toxic, atMs, forMs },
    },
    {
      ...{ kind: "dbusd-kill", downMs: random.int(0, 300), ranMs: undefined },
      ...{ atMs: atMs + random.int(300, forMs - 100), forMs: 0 },
    },
  ];
}

function pickByWeight(random: Random, kinds: readonly Kind[]): Kind {
  const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
  let at = random.next() * total;
  for (const kind of kinds) {
    at -= kind.weight;
    if (at < 0) return kind;
  }
  return kinds.at(-1) as Kind;
}

function drawNetwork(random: Random, side: Side): Drawn {
  const toxic = drawToxic(random);
  const directions = ["upstream", "downstream", undefined] as const;
  return {
    fault: {
      ...{ kind: "network", side, toxic, direction: random.pick(directions) },
      cut: random.chance(0.3),
    },
    forMs: random.int(200, 3_000),
  };
}

function drawToxic(random: Random): Toxic {
  const toxics: readonly Toxic[] = [
    { type: "latency", ms: random.int(5, 300) },
    { type: "jitter", ms: random.int(5, 200) },
    { type: "rate", bytesPerSecond: random.int(30_000, 2_000_000) },
    { type: "reset", afterBytes: random.pick([0, random.int(0, 200_000)]) },
    { type: "truncate", afterBytes: random.int(0, 200_000) },
    { type: "half_open", left: random.pick(["client", "server"] as const) },
    { type: "blackhole" },
    { type: "blackhole" },
    { type: "timeout", ms: random.int(50, 1_500) },
    { type: "slicer", bytes: random.pick([1, random.int(2, 2_000)]) },
    { type: "slow_close", ms: random.int(50, 1_000) },
    { type: "refuse" },
  ];
  return random.pick(toxics);
}
