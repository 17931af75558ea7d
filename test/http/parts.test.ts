import { expect, test } from "bun:test";
import { clientKey } from "#src/http/client-key.ts";
import { createHeadScanner } from "#src/http/head-scanner.ts";

test.each([
  ["127.0.0.1", "127.0.0.1"],
  ["::ffff:10.1.2.3", "10.1.2.3"],
  ["::1", "0:0:0:0::/64"],
  ["2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64"],
  ["2001:DB8::1:2:3:4", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4::/64"],
  ["1::", "1:0:0:0::/64"],
])("S6: a client at %s counts as %s", (address, key) => {
  expect(clientKey(address)).toBe(key);
});

test("S6: the end of a head is found however it is cut", () => {
  const head = "POST / HTTP/1.1\r\nhost: x\r\nx: \r\r\n\n\r\n\r\n";
  for (let size = 1; size < head.length; size++) {
    const scanner = createHeadScanner();
    const pieces = head.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
    const found = pieces.map((piece) => scanner.complete(Buffer.from(piece)));
    expect(found.indexOf(true)).toBe(pieces.length - 1);
    expect(scanner.complete(Buffer.from("body"))).toBe(true);
    scanner.reset();
    expect(scanner.complete(Buffer.from("\r\n\r"))).toBe(false);
    expect(scanner.complete(Buffer.from("\n"))).toBe(true);
  }
});
