import { expect } from "bun:test";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { type SampleDaemon, startSample } from "../../support/sample-daemon.ts";

const services = await useStarted("ZooKeeper", () => startZookeeper());

const names = ["orders", "customers", "stock"];
const running = (sample: SampleDaemon) =>
  names.filter((name) => sample.input(name).state === "running");

services.test(
  "cluster.yaml shares three sources between two, and one has all when the other leaves",
  async ({ connect }) => {
    const env = { ZOOKEEPER: `${connect}/dbus` };
    const one = await startSample("etc/cluster.yaml", { env });
    try {
      await waitFor(() => running(one).length === 3, { what: "all three", timeoutMs: 30_000 });
      const other = await startSample("etc/cluster.yaml", { env });
      await waitFor(
        () => {
          const shares = [running(one), running(other)];
          return shares.every(({ length }) => length > 0) && shares.flat().length === 3;
        },
        { what: "a share for both", timeoutMs: 30_000 },
      );
      expect(running(one).filter((name) => running(other).includes(name))).toEqual([]);
      expect(other.daemon.admin.stat().ready).toBe(true);
      expect(await other.end()).toBe(0);
      await waitFor(() => running(one).length === 3, { what: "all again", timeoutMs: 30_000 });
    } finally {
      expect(await one.end()).toBe(0);
    }
  },
);
