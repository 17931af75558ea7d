import { bearerOf, isLoopback, sameSecret } from "#plugin";
import type { HttpConfig } from "./http-config.ts";
import { problem } from "./problem.ts";

/** What a request must have before anything of its body is read; the answer if it has not. */
export function createGuard(config: HttpConfig): (request: Request) => Response | undefined {
  const local = isLoopback(config.host);
  return (request) => {
    // HTTP/1.0 knows no Host, and then the URL is the bare path.
    const url = new URL(request.url, "http://localhost");
    // A page of another site must not post here through somebody's browser (S3).
    if (request.headers.has("origin")) return problem(403, "requests of web pages are refused");
    if (local && !isLoopback(url.hostname)) {
      return problem(421, "the Host header names another host than this one");
    }
    if (url.pathname !== config.path) return problem(404, `there is nothing but ${config.path}`);
    if (request.method !== "POST") {
      return problem(405, "packets are sent by POST", { headers: { allow: "POST" } });
    }
    if (config.token !== undefined && !sameSecret(bearerOf(request) ?? "", config.token)) {
      const headers = { "www-authenticate": "Bearer" };
      return problem(401, "send Authorization: Bearer with the token", { headers });
    }
    return undefined;
  };
}
