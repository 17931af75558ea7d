import { createHash, timingSafeEqual } from "node:crypto";
import { isLoopback } from "../config/admin-address.ts";
import { DbusError } from "../errors.ts";

export type Guard = { readonly token: string | undefined };

/** Throws when a request may not be answered: by name, by origin, by token, by content type. */
export function guard(request: Request, { token }: Guard, open: boolean): void {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  // Without a token, the name is what keeps out a page whose name was rebound to 127.0.0.1. With
  // one, the page has no way to know it: nothing is sent along by itself, there are no cookies.
  if (token === undefined && !isLoopback(hostName(host))) {
    throw new DbusError("FORBIDDEN", "the Host header is not an address of this machine");
  }
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new DbusError("FORBIDDEN", "the Origin header names another site");
  }
  if (token === undefined || open) return;
  const sent = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (sent === undefined || !sameText(sent, token)) {
    throw new DbusError("UNAUTHORIZED", "the bearer token is missing or wrong");
  }
}

/** Hashes first: the comparison then takes the same time whatever the lengths are. */
function sameText(a: string, b: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

function hostName(host: string): string {
  return host.startsWith("[") ? host.slice(0, host.indexOf("]") + 1) : host.replace(/:\d*$/, "");
}

/** A page can post a form to any address, but never with this content type unasked. */
export function isJson(request: Request): boolean {
  const type = request.headers.get("content-type") ?? "";
  return type.split(";")[0]?.trim().toLowerCase() === "application/json";
}

export const safetyHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};
