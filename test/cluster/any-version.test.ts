import { expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "#src/clock.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";

const root = join(import.meta.dir, "../..");
const data = Buffer.from("x");

test("no write of ours is one that any version would do for", async () => {
  const sources = [...new Bun.Glob("{src,actors,plugins}/**/*.ts").scanSync(root)];
  expect(sources.length).toBeGreaterThan(100);
  const found = await Promise.all(
    sources.map(async (path) => {
      const text = await Bun.file(join(root, path)).text();
      const calls = /version: -1\b|\.(?:set|delete|setData)\([^;]*?, -1\)/g;
      return [...text.matchAll(calls)].map(([what]) => `${path}: ${what}`);
    }),
  );
  expect(found.flat()).toEqual([]);
});

test("the coordinator in this process refuses such a write as ZooKeeper's client does", async () => {
  const session = createEmbeddedCoordinator(systemClock).open();
  await session.create("/any", data);
  const refused = { code: "INVARIANT" };
  await expect(session.set("/any", data, -1)).rejects.toMatchObject(refused);
  await expect(session.delete("/any", -1)).rejects.toMatchObject(refused);
  const set = { kind: "set", path: "/any", data, version: -1 } as const;
  await expect(session.multi([set])).rejects.toMatchObject(refused);
  expect((await session.get("/any")).stat.version).toBe(0);
});
