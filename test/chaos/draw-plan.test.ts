import { describe, expect, test } from "bun:test";
import { configOf, isExpectedAt } from "./config.ts";
import { drawPlan } from "./draw-plan.ts";
import { faultText, planText } from "./round-plan.ts";

const plans = Array.from({ length: 400 }, (_, seed) => drawPlan(seed));
const faults = plans.flatMap((plan) => plan.faults);

describe("the plan of a round", () => {
  test("is the same for the same seed, and another one for another", () => {
    expect(plans.map((_, seed) => drawPlan(seed))).toEqual(plans);
    expect(new Set(plans.map((plan) => JSON.stringify(plan))).size).toBe(plans.length);
  });

  test("has every kind of server, output, filter and fault now and then", () => {
    const seen = new Set([
      ...plans.map(({ source }) => source.flavor),
      ...plans.flatMap(({ outputs }) => [outputs.map(({ name }) => name).join()]),
      ...plans.flatMap(({ route }) => (route.own === undefined ? [] : ["own filter"])),
      ...faults.map(({ kind }) => kind),
      ...faults.map((fault) => (fault.kind === "network" ? fault.toxic.type : "")),
    ]);
    const wanted = [
      ...["mysql", "mariadb", "kafka", "file", "kafka,file", "own filter"],
      ...["dbusd-kill", "dbusd-term", "dbusd-pause", "server-kill", "server-pause"],
      ...["rotate", "kill-streams", "wrong-byte", "full-disk"],
      ...["latency", "jitter", "rate", "reset", "truncate", "half_open", "blackhole", "timeout"],
      ...["slicer", "slow_close", "refuse", "swallow_reply"],
    ];
    expect(wanted.filter((kind) => !seen.has(kind))).toEqual([]);
    expect(plans.some(({ workload }) => workload.large?.rows === 10_000)).toBe(true);
    expect(plans.some(({ failingSync }) => failingSync !== undefined)).toBe(true);
  });

  test("has its faults within the load, and none that the round has no server or disk for", () => {
    for (const plan of plans) {
      const hasKafka = plan.outputs.some(({ name }) => name === "kafka");
      expect(plan.faults.length).toBeWithin(3, 8);
      for (const fault of plan.faults) {
        expect(fault.atMs).toBeLessThan(plan.loadMs);
        if ("side" in fault && fault.side === "kafka")
          expect([plan.seed, hasKafka]).toEqual([plan.seed, true]);
        if (fault.kind === "full-disk") expect(plan.smallDisk).toBe(true);
      }
    }
  });

  test("to Elasticsearch has faults of it, and none of Kafka", () => {
    const all = plans.map(({ seed }) => drawPlan(seed, "elasticsearch"));
    const sides = all.flatMap(({ faults: own }) =>
      own.flatMap((fault) => ("side" in fault ? [`${fault.kind} ${fault.side}`] : [])),
    );
    expect(new Set(all.flatMap(({ outputs }) => outputs.map(({ name }) => name)))).toEqual(
      new Set(["elasticsearch"]),
    );
    expect(sides.filter((side) => side.endsWith("kafka"))).toEqual([]);
    for (const kind of ["server-kill", "server-pause", "network"]) {
      expect(sides).toContain(`${kind} elasticsearch`);
    }
    const texts = all.flatMap((plan) => [planText(plan), ...plan.faults.map(faultText)]);
    expect(texts.filter((text) => /undefined|NaN|null/.test(text))).toEqual([]);
  });

  test("can be read by people, without a hole in it", () => {
    const texts = plans.flatMap((plan) => [planText(plan), ...plan.faults.map(faultText)]);
    expect(texts.filter((text) => /undefined|NaN|null/.test(text))).toEqual([]);
  });

  test("every change is expected somewhere, unless the own filter drops it", () => {
    for (const plan of plans) {
      const expects = (key: string) =>
        plan.outputs.some((output) => isExpectedAt(plan, output)(key));
      const { dropWriter, dropTxnEvery } = plan.route.own ?? {};
      expect([plan.seed, expects("item:1000001")]).toEqual([plan.seed, true]);
      expect(expects("item:2000001")).toBe(dropWriter !== 2);
      expect(expects("txn:1:420")).toBe(dropTxnEvery === undefined || 420 % dropTxnEvery !== 0);
    }
  });

  test("the configuration has an output for every plan, behind the filters", () => {
    for (const plan of plans) {
      const source = {
        ...{ db: "d", user: "u", password: "p", start: { gtid: "" } },
        drop: () => Promise.resolve(),
      };
      const places = { source, mysqlPort: 1, kafkaPort: 2, topic: "t", dir: "d", stateDir: "s" };
      const config = configOf(plan, places) as { filters: unknown[]; outputs: unknown[] };
      expect(config.outputs.length).toBe(plan.outputs.length);
      const { byTable, own } = plan.route;
      expect(config.filters.length).toBe(Number(byTable) + Number(own !== undefined));
    }
  });
});
