// test-timeout: 10m
import { afterAll, expect } from "bun:test";
import { drawPlan } from "../chaos/draw-plan.ts";
import { planText } from "../chaos/round-plan.ts";
import { playRound, randomSeed, roundText } from "../chaos/rounds.ts";
import { chaosServers } from "../chaos/servers.ts";
import { useStarted } from "../services/index.ts";

/** `bun run chaos` plays more of them. */
const rounds = Number(process.env.DBUS_CHAOS_ROUNDS ?? 5);
const services = await useStarted("the servers of chaos", async () => {
  const servers = chaosServers();
  afterAll(() => servers.stop());
  await Promise.all([
    servers.mysql("mysql"),
    servers.mysql("mariadb"),
    servers.kafka(),
    servers.elasticsearch(),
  ]);
  return servers;
});

/** One of them goes to Elasticsearch, and starts a node that may be killed. */
const planOf = (round: number) => drawPlan(randomSeed(), round === 1 ? "elasticsearch" : "any");

for (let round = 1; round <= rounds; round++) {
  const name = "after random faults every change is there, in order and as it was (fault 72)";
  services.test(
    `${name}, round ${round}`,
    async (servers) => {
      const plan = planOf(round);
      const to = round === 1 ? " --to elasticsearch" : "";
      const repeat = `bun run chaos${to} --seed ${plan.seed} repeats it`;
      process.stderr.write(`[seed] chaos ${round} of ${rounds}: ${repeat}: ${planText(plan)}\n`);
      const played = await playRound(plan, { servers });
      const { problems } = played;
      if (problems.length > 0) process.stderr.write(`${roundText(played)}\n`);
      expect(problems).toEqual([]);
      const lost = played.verdicts.map((verdict) => verdict.lost);
      expect(lost).toEqual(plan.outputs.map(() => 0));
      expect(played.verdicts.every(({ committed }) => committed > 0)).toBe(true);
    },
    420_000,
  );
}
