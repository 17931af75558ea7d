import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { systemClock } from "#src/clock.ts";
import { refuses } from "#src/cluster/rpc/refuses.ts";

test("who has ended refuses, who lives does not, and silence says nothing", async () => {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  const rpc = `127.0.0.1:${await promise}`;
  expect(await refuses(rpc, systemClock, 5_000)).toBe(false);
  await new Promise((done) => server.close(done));
  expect(await refuses(rpc, systemClock, 5_000)).toBe(true);
  expect(await refuses("no-such-host.invalid:9877", systemClock, 50)).toBe(false);
});
