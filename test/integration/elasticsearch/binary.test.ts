import { expect } from "bun:test";
import { join } from "node:path";
import { useServices } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { esPeer, freshName } from "../../support/es-peer.ts";

const services = await useServices("elasticsearch");
const root = join(import.meta.dir, "../../..");

services.test(
  "the compiled binary writes to Elasticsearch, whose client it loads when it is needed",
  async ({ elasticsearch }) => {
    const dir = await runDir("es-binary");
    const run = async (...argv: readonly string[]) => {
      const child = Bun.spawn([...argv], { cwd: root, stdout: "pipe", stderr: "pipe" });
      const said = await new Response(child.stderr).text();
      return { said, code: await child.exited };
    };
    expect((await run(process.execPath, "src/cli/build.ts", dir)).code).toBe(0);
    const index = freshName("binary");
    const file = join(dir, "dbus.yaml");
    const rows = { name: "rows", plugin: "MockInput", payload: "rows", count: 500, rate: 5_000 };
    const es = { plugin: "EsOutput", match: "rows", nodes: [elasticsearch.url], index };
    const config = {
      ...{ state: { dir: join(dir, "state") }, admin: { enabled: false } },
      ...{ bus: { onFinished: "exit" }, inputs: [rows], outputs: [{ name: "es", ...es }] },
    };
    await Bun.write(file, JSON.stringify(config));
    const { said, code } = await run(join(dir, "dbusd"), file);
    expect([code, said.includes('"level":"error"')]).toEqual([0, false]);
    const peer = esPeer(elasticsearch.url);
    expect((await peer.documents(index)).size).toBeGreaterThan(100);
    await peer.request("DELETE", `/${index}`);
  },
  120_000,
);
