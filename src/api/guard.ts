import { isLoopback } from "../config/admin-address.ts";
import { DbusError } from "../errors.ts";
import { bearerOf } from "../http/bearer.ts";
import { allows, type Role } from "./role.ts";
import type { Holder, Tokens } from "./tokens.ts";

/** What a route asks of whoever calls it. */
export type Wanted = { readonly open: boolean; readonly role: Role };

/**
 * Throws when a request may not be answered: by name, by origin, by token, by role. Answers whose
 * token it was; null where none is asked for.
 */
export function guard(request: Request, tokens: Tokens, { open, role }: Wanted): Holder | null {
  const host = request.headers.get("host") ?? new URL(request.url, "http://localhost").host;
  // Without a token, the name is what keeps out a page whose name was rebound to 127.0.0.1. With
  // one, the page has no way to know it: nothing is sent along by itself, there are no cookies.
  if (!tokens.required && !isLoopback(hostName(host))) {
    throw new DbusError("FORBIDDEN", "the Host header is not an address of this machine");
  }
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new DbusError("FORBIDDEN", "the Origin header names another site");
  }
  if (!tokens.required || open) return null;
  const holder = tokens.find(bearerOf(request) ?? "");
  if (holder === undefined) {
    throw new DbusError("UNAUTHORIZED", "the bearer token is missing or wrong");
  }
  if (!allows(holder.role, role)) {
    const message = `the token ${holder.name} has the role ${holder.role}; this wants ${role}`;
    throw new DbusError("ROLE_DENIED", message);
  }
  return holder;
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
