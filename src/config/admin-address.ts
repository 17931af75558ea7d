import { isIPv4 } from "node:net";
import type { AdminConfig } from "./config.ts";

/** Whether only this machine can reach a listener on `host`. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (bare === "localhost" || bare === "::1") return true;
  return isIPv4(bare) && bare.startsWith("127.");
}

/** What stands against listening where others can reach it; null when nothing does. */
export function adminHazard(
  admin: Pick<AdminConfig, "host" | "token" | "tokens" | "tls" | "insecure">,
): string | null {
  if (isLoopback(admin.host)) return null;
  const reached = `${admin.host} can be reached from other machines`;
  if (admin.token === undefined && admin.tokens.length === 0) {
    return `${reached}, and there is no admin.token`;
  }
  return admin.tls || admin.insecure ? null : `${reached}, and there is no admin.tls`;
}
