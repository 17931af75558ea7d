import { expect, test } from "bun:test";
import { kafkaInputSchema } from "#plugins/input/kafka/kafka-input-config.ts";
import { faultText } from "../round-plan.ts";
import { kafkaConfigOf } from "./config.ts";
import { drawKafkaPlan } from "./draw.ts";
import { kafkaPlanText } from "./plan.ts";

const seeds = Array.from({ length: 300 }, (_, seed) => seed);
const copies = seeds.map((seed) => drawKafkaPlan(seed, "kafka"));
const tables = seeds.map((seed) => drawKafkaPlan(seed, "elasticsearch"));
const all = [...copies, ...tables];

test("the same seed plans the same round, and another one another", () => {
  expect(seeds.map((seed) => drawKafkaPlan(seed, "kafka"))).toEqual(copies);
  expect(new Set(copies.map((plan) => JSON.stringify(plan))).size).toBe(copies.length);
});

test("every kind of input, output, filter and fault is there now and then", () => {
  const seen = new Set(
    all.flatMap(({ input, filter, output, faults, diskBuffer }) => [
      ...[input.driver, input.by, `${input.members} members`, input.start, input.format],
      ...[filter?.kind, diskBuffer ? "disk" : "", input.lateTopic ? "late" : ""],
      ...(output.name === "kafka" ? [`${output.partition} by ${output.driver}`] : []),
      ...faults.map(({ kind }) => kind),
      ...faults.flatMap((fault) => ("side" in fault ? [`${fault.kind} ${fault.side}`] : [])),
      ...faults.flatMap((fault) =>
        fault.kind === "network" && fault.toxic.type === "swallow_reply"
          ? [JSON.stringify(fault.toxic.to)]
          : [],
      ),
    ]),
  );
  const wanted = [
    ...["kafkajs", "platformatic", "names", "pattern", "0 members", "1 members", "2 members"],
    ...["earliest", "timestamp", "offsets", "bytes", "json", "route", "where", "rename"],
    ...["throttle", "disk", "late", "source by kafkajs", "key by platformatic"],
    ...["dbusd-kill", "dbusd-term", "dbusd-pause", "full-disk"],
    ...["server-kill source", "server-kill kafka", "server-kill elasticsearch"],
    ...["server-pause source", "wrong-record source", "wrong-record kafka", "network source"],
    ...[0, 1, 2, 3, 8, 9, 10, 11, 12, 14, 22].map((apiKey) => JSON.stringify({ apiKey })),
  ];
  expect(wanted.filter((kind) => !seen.has(kind))).toEqual([]);
});

test("no fault is of a server that the round does not have, or of a dbusd", () => {
  for (const plan of all) {
    const sides = plan.faults.flatMap((fault) => ("side" in fault ? [fault.side] : []));
    const own = ["source", plan.output.name];
    expect([plan.seed, sides.filter((side) => !own.includes(side))]).toEqual([plan.seed, []]);
    const which = plan.faults.map((fault) => ("which" in fault ? (fault.which ?? 0) : 0));
    expect(Math.max(...which)).toBeLessThan(Math.max(1, plan.input.members));
  }
});

test("rounds are told to people without a hole, and each has a configuration that is right", () => {
  for (const plan of all) {
    const text = [kafkaPlanText(plan), ...plan.faults.map(faultText)].join();
    expect(text).not.toMatch(/undefined|NaN|null/);
    const topics = plan.input.topics.map((_, index) => `n.t${index}`);
    const start = plan.input.start === "earliest" ? "earliest" : { offsets: {} };
    const ports = { sourcePort: 1, sinkPort: 2 };
    const config = kafkaConfigOf(plan, { ...ports, name: "n", topics, stateDir: "s", start });
    const [input] = config.inputs as [Record<string, unknown>];
    const { name: _, plugin: __, ...own } = input;
    expect([plan.seed, kafkaInputSchema.safeParse(own).error?.message]).toEqual([
      plan.seed,
      undefined,
    ]);
  }
});
