import { DbusError } from "../../errors.ts";

export type ZkHost = { readonly host: string; readonly port: number };

/** `host:port,host:port/chroot`, as every client of ZooKeeper is told. */
export type ZkAddress = {
  readonly hosts: readonly ZkHost[];
  /** Stands before every path; empty, or `/a/b`. */
  readonly chroot: string;
};

const portOfOld = 2181;

/** Throws CONFIG_INVALID with what is wrong. */
export function parseZkAddress(text: string): ZkAddress {
  const slash = text.indexOf("/");
  const list = slash === -1 ? text : text.slice(0, slash);
  const path = slash === -1 ? "" : text.slice(slash);
  const chroot = path === "/" ? "" : path;
  if (chroot !== "") checkZkPath(chroot);
  const hosts = list.split(",").map((one) => hostOf(one.trim(), text));
  return { hosts, chroot };
}

function hostOf(text: string, whole: string): ZkHost {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const port = found?.[3] === undefined ? portOfOld : Number(found[3]);
  const host = found?.[1] ?? found?.[2];
  if (host === undefined || port < 1 || port > 65_535) {
    const what = `${JSON.stringify(text)} in ${JSON.stringify(whole)} is no host:port`;
    throw new DbusError("CONFIG_INVALID", what, { remedy: "write zk1:2181,zk2:2181/dbus" });
  }
  return { host, port };
}

/** Throws CONFIG_INVALID for what ZooKeeper's `PathUtils.validatePath` refuses. */
export function checkZkPath(path: string): void {
  const names = path.split("/").slice(1);
  const isOdd = (name: string) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    name === "" || name === "." || name === ".." || /[\u0000-\u001f\u007f-\u009f]/.test(name);
  if (path === "/" || (path.startsWith("/") && !names.some(isOdd))) return;
  throw new DbusError("CONFIG_INVALID", `${JSON.stringify(path)} is no path of ZooKeeper`);
}
