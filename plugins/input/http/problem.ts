import { STATUS_CODES } from "node:http";
import type { ErrorCode } from "#plugin";

type Known = { readonly code: ErrorCode; readonly remedy: string };

const again = "send the request again: its packets may arrive twice, but are not lost";
const asDocumented = "POST JSON to the path of the config, with its token if it has one";

/** Code and remedy for whoever sent the request; the daemon's own errors are for its operator. */
const known: Readonly<Record<number, Known>> = {
  400: { code: "REQUEST_INVALID", remedy: "mend the body at that place; nothing of it was taken" },
  401: { code: "UNAUTHORIZED", remedy: "send the token that the daemon's config names" },
  403: { code: "FORBIDDEN", remedy: "send it from a program, not from a web page" },
  408: { code: "REQUEST_INVALID", remedy: "send the whole body sooner; nothing of it was taken" },
  413: { code: "REQUEST_TOO_LARGE", remedy: "send less at a time; nothing of it was taken" },
  429: { code: "HTTP_BUSY", remedy: "send it again after the seconds of Retry-After" },
  500: { code: "INTERNAL", remedy: again },
  503: { code: "HTTP_BUSY", remedy: "send it again after the seconds of Retry-After" },
  504: { code: "HTTP_UNSETTLED", remedy: again },
};

type Parts = { readonly fields?: object };

function bodyText(status: number, detail: string, { fields }: Parts = {}): string {
  const title = STATUS_CODES[status] ?? "Error";
  const { code, remedy } = known[status] ?? { code: "REQUEST_INVALID", remedy: asDocumented };
  const body = { type: `urn:dbus:error:${code}`, title, status, detail, code, remedy };
  return `${JSON.stringify({ ...body, ...fields })}\n`;
}

/** The bytes of an answer to a connection that is one too many: nothing of it has been read. */
export function refusalText(retryAfterSeconds: number): string {
  const body = bodyText(429, "too many connections, and all of them have a request");
  const head = [
    `HTTP/1.1 429 ${STATUS_CODES[429]}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    `retry-after: ${retryAfterSeconds}`,
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/** An answer as RFC 9457 has it, with a code of the closed table and what to do. */
export function problem(
  status: number,
  detail: string,
  more: { readonly headers?: Record<string, string>; readonly fields?: object } = {},
): Response {
  const headers = { "content-type": "application/problem+json", ...more.headers };
  return new Response(bodyText(status, detail, more), { status, headers });
}
