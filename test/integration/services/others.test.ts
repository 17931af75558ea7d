import { expect } from "bun:test";
import {
  startElasticsearch,
  startToxiproxy,
  startZookeeper,
  useStarted,
} from "../../services/index.ts";
import { ask } from "../../services/server-process.ts";

const proxied = await useStarted("zookeeper and toxiproxy", async () => ({
  zookeeper: await startZookeeper(),
  toxiproxy: await startToxiproxy(),
}));

proxied.test("toxiproxy passes bytes on until it is told to cut", async (services) => {
  const proxy = await services.toxiproxy.proxy(services.zookeeper.connect);
  const question = Buffer.from("ruok");
  expect((await ask(proxy.port, question, 4)).toString()).toBe("imok");
  await proxy.setEnabled(false);
  await expect(ask(proxy.port, question, 4)).rejects.toThrow("ECONNREFUSED");
  await proxy.setEnabled(true);
  await proxy.addToxic({ type: "reset_peer", attributes: { timeout: 0 } });
  await expect(ask(proxy.port, question, 4)).rejects.toThrow();
  await services.toxiproxy.stop();
  await services.zookeeper.stop();
});

const search = await useStarted("elasticsearch", () => startElasticsearch());

search.test("elasticsearch refuses a stale version of a document", async (elasticsearch) => {
  const put = async (version: number) => {
    const path = `/rows/_doc/1?version=${version}&version_type=external`;
    const answer = await fetch(`${elasticsearch.url}${path}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ version }),
    });
    return answer.status;
  };
  expect([await put(5), await put(4), await put(6)]).toEqual([201, 409, 200]);
  await elasticsearch.stop();
});
