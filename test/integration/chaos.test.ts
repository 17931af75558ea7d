// test-timeout: 10m
import { afterAll, expect } from "bun:test";
import { drawPlan } from "../chaos/draw-plan.ts";
import { drawKafkaPlan } from "../chaos/kafka/draw.ts";
import { type AnyPlan, anyPlanText, playRound, randomSeed, roundText } from "../chaos/rounds.ts";
import { chaosServers } from "../chaos/servers.ts";
import { useStarted } from "../services/index.ts";

/** `bun run chaos` plays more of them. */
const rounds = Number(process.env.DBUS_CHAOS_ROUNDS ?? 7);
const services = await useStarted("the servers of chaos", async () => {
  const servers = chaosServers();
  afterAll(() => servers.stop());
  // Two at a time: on a busy machine five of them would all be late.
  await Promise.all([servers.mysql("mysql"), servers.mysql("mariadb")]);
  await Promise.all([servers.kafka(), servers.sourceKafka()]);
  await servers.elasticsearch();
  return servers;
});

type Kind = { readonly options: string; readonly draw: (seed: number) => AnyPlan };

/** One of each of these, which have a node of Elasticsearch or two brokers that may be killed. */
const kinds: readonly Kind[] = [
  { options: " --to elasticsearch", draw: (seed) => drawPlan(seed, "elasticsearch") },
  { options: " --from kafka --to kafka", draw: (seed) => drawKafkaPlan(seed, "kafka") },
  {
    options: " --from kafka --to elasticsearch",
    draw: (seed) => drawKafkaPlan(seed, "elasticsearch"),
  },
];
const usual: Kind = { options: "", draw: (seed) => drawPlan(seed) };

for (let round = 1; round <= rounds; round++) {
  const { options, draw } = kinds[round - 1] ?? usual;
  const name = "after random faults every change is there, in order and as it was (fault 72)";
  services.test(
    `${name}, round ${round}`,
    async (servers) => {
      const plan = draw(randomSeed());
      const repeat = `bun run chaos${options} --seed ${plan.seed} repeats it`;
      process.stderr.write(`[seed] chaos ${round} of ${rounds}: ${repeat}: ${anyPlanText(plan)}\n`);
      const played = await playRound(plan, { servers });
      const { problems } = played;
      if (problems.length > 0) process.stderr.write(`${roundText(played)}\n`);
      expect(problems).toEqual([]);
      const outputs = "outputs" in plan ? plan.outputs.length : 1;
      const lost = played.verdicts.map((verdict) => verdict.lost);
      expect(lost).toEqual(Array.from({ length: outputs }, () => 0));
      expect(played.verdicts.every(({ committed }) => committed > 0)).toBe(true);
    },
    420_000,
  );
}
