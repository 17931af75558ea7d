import { type LookupOptions, lookup } from "node:dns";
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net";

/**
 * Where no Elasticsearch is but the metadata of a cloud's machine, with its credentials: link-local
 * addresses, and the one that AWS has on IPv6. Whoever can change a configuration, or the answers of
 * a name server, must not be able to have dbus ask there.
 */
const forbidden = new BlockList();
forbidden.addSubnet("169.254.0.0", 16, "ipv4");
forbidden.addSubnet("fe80::", 10, "ipv6");
forbidden.addAddress("fd00:ec2::254", "ipv6");

export function isForbidden(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  if (isIP(bare) === 0) return false;
  // The same address in its IPv6 form, which URLs write in hexadecimal.
  const mapped = /^::ffff:(?:([0-9a-f]{1,4}):([0-9a-f]{1,4})|(\d+\.\d+\.\d+\.\d+))$/i.exec(bare);
  if (mapped !== null) return forbidden.check(mapped[3] ?? dotted(mapped[1], mapped[2]), "ipv4");
  return forbidden.check(bare, isIPv6(bare) ? "ipv6" : "ipv4");
}

function dotted(high = "0", low = "0"): string {
  const parts = [high, low].map((part) => Number.parseInt(part, 16));
  return parts.flatMap((part) => [part >> 8, part & 255]).join(".");
}

type Found = Parameters<LookupFunction>[2];

/** What the forbidden address of a name is refused with; `errors.ts` looks for it. */
export const refusal = "resolves to a link-local address";

/**
 * `dns.lookup` for sockets. What is looked at is what is connected to, so a name that resolves to
 * something else the next time gains nothing.
 */
export function guardedLookup(hostname: string, options: LookupOptions, found: Found): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return found(error, []);
    if (addresses.some(({ address }) => isForbidden(address))) {
      return found(new Error(`${hostname} ${refusal}`), []);
    }
    const [first] = addresses;
    if (options.all === true || first === undefined) return found(null, addresses);
    return found(null, first.address, first.family);
  });
}
