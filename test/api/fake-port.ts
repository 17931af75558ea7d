import type { ActorStatus, AdminPort, Stat } from "#src/api/port.ts";
import { DbusError } from "#src/errors.ts";
import { fakeCluster } from "./fake-cluster.ts";

export const fakeStat: Stat = {
  version: "0.1.0",
  pid: 42,
  epoch: 3,
  startedAt: 1_790_000_000_000,
  uptimeMs: 61_000,
  rssBytes: 80 * 1024 * 1024,
  loopLag: { lastMs: 1, maxMs: 20, stalls: 0, lastActor: null },
  memoryBoundBytes: 400 * 1024 * 1024,
  ready: true,
  insecure: [],
  config: {
    file: "dbus.yaml",
    hash: "0123456789ab",
    version: 2,
    loadedAt: 1_790_000_010_000,
    refused: null,
  },
  inputs: [
    {
      name: "shop",
      resource: "mysql-1",
      label: "mysql 127.0.0.1:3306",
      plugin: "MysqlbinlogInput",
      state: "running",
      note: null,
      packets: 1200,
      bytes: 64_000,
      inFlight: 12,
      inFlightBytes: 700,
      lagSeconds: 0.5,
      lagBytes: null,
      lagRecords: null,
      interruptions: 0,
      throttledMs: 0,
      stuck: [],
      lastError: null,
    },
  ],
  filters: [
    {
      name: "by-table",
      plugin: "MysqlbinlogFilter",
      state: "running",
      packets: 1200,
      dropped: 200,
      emitted: 1000,
      failed: 0,
      timeouts: 0,
      poisoned: 0,
      suspects: 0,
      lastError: null,
    },
  ],
  outputs: [
    {
      name: "kafka",
      plugin: "KafkaOutput",
      state: "backoff",
      note: "waiting for broker",
      throttledMs: 1_500,
      packets: 900,
      bytes: 60_000,
      retried: 4,
      leftOut: 0,
      failed: 1,
      buffer: null,
      queued: 100,
      timeouts: 0,
      poisoned: 0,
      suspects: 0,
      lastError: { code: "INTERNAL", message: "connection refused", at: 1_790_000_050_000 },
    },
  ],
  unrouted: { packets: 7, idents: ["shop.secret"] },
  deadLetters: 1,
  gaps: 1,
};

const leaf = (path: string, restarts = 0): ActorStatus => ({
  path,
  state: "running",
  restarts,
  lastError: null,
  mailbox: { depth: 2, bytes: 300 },
  credit: { kafka: 1900 },
  handled: 55,
  busyMs: 12,
  children: [],
});

export const fakeTree: ActorStatus = {
  ...leaf("engine"),
  strategy: "rest_for_one",
  children: [
    {
      ...leaf("engine/pipeline"),
      strategy: "rest_for_one",
      children: [leaf("engine/pipeline/router", 2)],
    },
  ],
};

const letter = {
  id: 5,
  at: 1_790_000_000_000,
  node: "kafka",
  input: "shop",
  resource: "mysql-1",
  partition: "0",
  ident: "shop.orders",
  position: '"bin.000001:4"',
  code: "OUTPUT_REJECTED",
  reason: "too large",
  crashes: 0,
  crashedAt: null,
  redrivenAt: null,
};

/** What the routes of the cluster take. */
export const clusterBodies: Readonly<Record<string, unknown>> = {
  "post /api/v1/cluster/migrate": { resource: "shop", to: "p1" },
  "post /api/v1/cluster/drain": { participant: "p1" },
  "post /api/v1/cluster/weight": { participant: "p1", weight: 2 },
  "post /api/v1/cluster/forget": { participant: "p1" },
  "post /api/v1/cluster/config": { text: "inputs: []" },
};

/** Answers with fixed things and writes down what it was told to do. */
export function fakePort(): AdminPort & { readonly calls: unknown[] } {
  const calls: unknown[] = [];
  const known = (input: string) => {
    if (!["shop", "topics"].includes(input)) throw new DbusError("NOT_FOUND", `no input ${input}`);
  };
  return {
    calls,
    stat: () => fakeStat,
    topology: () => ({
      nodes: [
        { name: "shop", kind: "input", plugin: "MysqlbinlogInput", match: [], idents: ["shop"] },
        {
          name: "by-table",
          kind: "filter",
          plugin: "MysqlbinlogFilter",
          match: ["shop"],
          idents: ["shop.*"],
        },
        { name: "kafka", kind: "output", plugin: "KafkaOutput", match: ["shop.*"], idents: [] },
        { name: "file", kind: "output", plugin: "StreamOutput", match: ["*"], idents: [] },
      ],
      edges: [
        { from: "shop", to: "by-table" },
        { from: "shop", to: "file" },
        { from: "by-table", to: "kafka" },
        { from: "by-table", to: "file" },
      ],
    }),
    supervisor: () => fakeTree,
    config: () => ({ inputs: [{ name: "shop", password: "[redacted]" }] }),
    async reload({ by, dryRun }) {
      calls.push(["reload", by, ...(dryRun ? ["dry"] : [])]);
      return {
        outcome: dryRun ? "dry-run" : "applied",
        version: dryRun ? 2 : 3,
        hash: "ba9876543210",
        changes: [
          { kind: "output", name: "kafka", change: "changed", keys: ["brokers"], restarts: true },
        ],
        rerouted: ["shop"],
        warnings: [],
      };
    },
    async pause(input) {
      known(input);
      calls.push(["pause", input]);
    },
    async resume(input) {
      known(input);
      calls.push(["resume", input]);
    },
    checkpoints: async () => [
      {
        input: "shop",
        resource: "mysql-1",
        partition: "0",
        position: '{"file":"bin.000001","pos":4}',
        epoch: 3,
        committedAt: 1_790_000_000_000,
        watermark: null,
      },
      ...["orders/0", "orders/1"].map((partition) => ({
        input: "topics",
        resource: "kafka-group-g",
        partition,
        position: '{"offset":7}',
        epoch: 3,
        committedAt: 1_790_000_000_000,
        watermark: null,
      })),
    ],
    async setCheckpoint(key, position, dryRun) {
      known(key.input);
      calls.push(["set", key, position, ...(dryRun ? ["dry"] : [])]);
    },
    async resetCheckpoint(key, dryRun) {
      known(key.input);
      calls.push(["reset", key, ...(dryRun ? ["dry"] : [])]);
    },
    deadLetters(query) {
      calls.push(["list", query]);
      return [
        {
          ...letter,
          packet: {
            ident: "x",
            payload: { kind: "text", text: "row data" },
            position: 1,
            bytes: 1,
          },
        },
      ];
    },
    deadLetter(id) {
      if (id !== letter.id) throw new DbusError("NOT_FOUND", `no dead letter ${id}`);
      const payload = {
        kind: "bytes",
        key: null,
        value: new Uint8Array([1, 2]),
        headers: [],
        timestamp: undefined,
      } as const;
      return { ...letter, packet: { ident: "x", payload, position: { n: 2n ** 63n }, bytes: 1 } };
    },
    async redrive(ids) {
      calls.push(["redrive", ids]);
      return { delivered: ids.length, failed: 0, outOfOrder: ids.filter((id) => id === 6) };
    },
    cluster: fakeCluster(calls),
    gaps: () => [
      {
        id: 1,
        at: 1_790_000_000_000,
        input: "shop",
        resource: "mysql-1",
        partition: "0",
        from: "null",
        to: '"bin.000009:4"',
        reason: "error 1236",
      },
    ],
  };
}
