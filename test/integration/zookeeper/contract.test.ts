import type { test } from "bun:test";
import { coordinatorContract } from "../../contract/coordinator.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { zkSession } from "../../support/zookeeper-session.ts";

const services = await useStarted("ZooKeeper", () => startZookeeper());
let connect = "";

services.test("the contract has a server to run on", (service) => {
  connect = service.connect;
});

const needsServer = ((name: string, run: () => Promise<void>) =>
  services.test(name, run)) as typeof test;

coordinatorContract(
  "ZooKeeper",
  async (root) => {
    const [one, other] = [zkSession(connect), zkSession(connect)];
    await other.becomes("connected");
    return {
      ...{ one, other, root },
      end: async () => void (await Promise.all([one.close(), other.close()])),
    };
  },
  needsServer,
);
