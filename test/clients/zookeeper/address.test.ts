import { expect, test } from "bun:test";
import { checkZkPath, parseZkAddress } from "#src/clients/zookeeper/address.ts";

test("several hosts, their ports and a chroot are read as every client reads them", () => {
  expect(parseZkAddress("zk1:2181,zk2, 10.0.0.3:99/dbus/live")).toEqual({
    hosts: [
      { host: "zk1", port: 2181 },
      { host: "zk2", port: 2181 },
      { host: "10.0.0.3", port: 99 },
    ],
    chroot: "/dbus/live",
  });
  expect(parseZkAddress("[::1]:2182/")).toEqual({
    hosts: [{ host: "::1", port: 2182 }],
    chroot: "",
  });
});

test("an address that cannot be meant is refused, with what is wrong in it", () => {
  const refused = ["", "zk1,", "zk1:0", "zk1:70000", "zk 1:2181", "a:b:c", "zk1/x/", "zk1/../y"];
  for (const text of refused) {
    expect(() => parseZkAddress(text)).toThrow(/is no (host:port|path of ZooKeeper)/);
  }
});

test("paths are those that ZooKeeper takes", () => {
  for (const path of ["/", "/a", "/a/b-1/%2f", "/ü/🚌"]) checkZkPath(path);
  for (const path of ["", "a", "/a/", "//a", "/a/./b", "/../a", "/a\u0000", "/a\nb"]) {
    expect(() => checkZkPath(path)).toThrow("is no path of ZooKeeper");
  }
});
