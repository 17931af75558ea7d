import { readdirSync } from "node:fs";
import { command } from "../services/command.ts";
import type { Elsewhere } from "../services/server-process.ts";

/**
 * A network of its own, made of namespaces of the kernel:
 *
 *     this process --- router --- servers
 *
 * What the router throws away is gone without a word to either side, as on a real way.
 */
export type Network = {
  /** Where servers run. */
  readonly servers: Elsewhere;
  /** The address at which they reach this process. */
  readonly us: string;
  /** Throws away what goes in one direction; resolves to what ends that. */
  lose(direction: "to the servers" | "to us"): Promise<() => Promise<void>>;
  /** Removes it with everything in it; servers in it must have ended. */
  close(): Promise<void>;
};

const ip = (...args: readonly string[]) => command(["ip", ...args]);

/** Needs root, as a container has it. Throws with what the kernel refused. */
export async function makeNetwork(): Promise<Network> {
  await removeLeftOvers();
  const { pid } = process;
  const [router, far] = [`dbus-${pid}-router`, `dbus-${pid}-servers`];
  // Of 10/8, and others than those of a process that runs beside this one.
  const net = (part: number) =>
    `10.${100 + (pid % 100)}.${part + 2 * (Math.trunc(pid / 100) % 100)}`;
  const [near, behind] = [net(0), net(1)];
  const [us, host] = [`${near}.1`, `${behind}.2`];
  const [ours, theirs] = [`du${pid}`, `ds${pid}`];
  const inRouter = (...args: readonly string[]) => ip("-n", router, ...args);
  for (const name of [router, far]) await ip("netns", "add", name);
  await ip("link", "add", ours, "type", "veth", "peer", "name", "near", "netns", router);
  await inRouter("link", "add", "far", "type", "veth", "peer", "name", theirs, "netns", far);
  await ip("addr", "add", `${us}/24`, "dev", ours);
  await inRouter("addr", "add", `${near}.2/24`, "dev", "near");
  await inRouter("addr", "add", `${behind}.1/24`, "dev", "far");
  await ip("-n", far, "addr", "add", `${host}/24`, "dev", theirs);
  await ip("link", "set", ours, "up");
  for (const link of ["lo", "near", "far"]) await inRouter("link", "set", link, "up");
  for (const link of ["lo", theirs]) await ip("-n", far, "link", "set", link, "up");
  await ip("route", "add", `${behind}.0/24`, "via", `${near}.2`);
  await ip("-n", far, "route", "add", "default", "via", `${behind}.1`);
  const settings = "echo 1 > /proc/sys/net/ipv4/ip_forward";
  await ip("netns", "exec", router, "sh", "-c", settings);
  return {
    servers: { namespace: far, host },
    us,
    async lose(direction) {
      const hole = ["blackhole", `${direction === "to us" ? us : host}/32`];
      await inRouter("route", "add", ...hole);
      return async () => void (await inRouter("route", "del", ...hole));
    },
    async close() {
      for (const name of [far, router]) await ip("netns", "del", name);
    },
  };
}

/** Of processes that were killed. */
async function removeLeftOvers(): Promise<void> {
  const all = readdirSync("/run", { withFileTypes: true }).some(({ name }) => name === "netns");
  if (!all) return;
  for (const name of readdirSync("/run/netns")) {
    const pid = /^dbus-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || readdirSync("/proc").includes(pid)) continue;
    await ip("netns", "del", name);
  }
}
