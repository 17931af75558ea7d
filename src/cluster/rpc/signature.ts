import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/*
 * A call between participants carries
 *
 *   dbus-from: n1                             who calls
 *   dbus-time: 1700000000000                  Unix milliseconds
 *   dbus-nonce: 32 hexadecimal digits         unlike that of any other call
 *   dbus-signature: hmac-sha256=64 hexadecimal digits
 *
 * and its answer a signature too, which has the nonce of the call within: whoever listens on an
 * address that is not theirs can say nothing that is believed, and no answer is of use twice.
 */

/** What is signed: all that a call or an answer says, and whom it is for. */
export type Signed =
  | {
      readonly kind: "call";
      readonly cluster: string;
      readonly from: string;
      readonly to: string;
      readonly method: string;
      readonly path: string;
      readonly time: number;
      readonly nonce: string;
      readonly body: Uint8Array;
    }
  | {
      readonly kind: "answer";
      readonly cluster: string;
      readonly from: string;
      readonly to: string;
      readonly status: number;
      readonly nonce: string;
      readonly body: Uint8Array;
    };

export const headers = {
  from: "dbus-from",
  time: "dbus-time",
  nonce: "dbus-nonce",
  signature: "dbus-signature",
} as const;

const algorithm = "hmac-sha256";
const shape = /^hmac-sha256=([0-9a-f]{64})$/;

/** The value of the signature's header. */
export function sign(key: string, signed: Signed): string {
  return `${algorithm}=${digest(key, signed).toString("hex")}`;
}

/** Whether a header is the signature of that, in a time that says nothing of how much is right. */
export function isSignedBy(key: string, header: string | null, signed: Signed): boolean {
  const found = shape.exec(header ?? "")?.[1];
  return found !== undefined && timingSafeEqual(Buffer.from(found, "hex"), digest(key, signed));
}

/** Of an array in JSON: no two calls have the same text, whatever stands in their parts. */
function digest(key: string, signed: Signed): Buffer {
  const { kind, cluster, from, to, nonce } = signed;
  const own = signed.kind === "call" ? [signed.method, signed.path, signed.time] : [signed.status];
  const body = createHash("sha256").update(signed.body).digest("hex");
  const text = JSON.stringify(["dbus-rpc-1", kind, cluster, from, to, nonce, ...own, body]);
  return createHmac("sha256", key).update(text).digest();
}
