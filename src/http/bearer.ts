import { createHash, timingSafeEqual } from "node:crypto";

/** The token of `Authorization: Bearer …`, the only place where one is looked for. */
export function bearerOf(request: Request): string | undefined {
  return /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

/** Hashes first: the comparison then takes the same time whatever the texts and lengths are. */
export function sameSecret(a: string, b: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}
