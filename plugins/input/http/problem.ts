import { STATUS_CODES } from "node:http";

/** An answer as RFC 9457 has it. */
export function problem(
  status: number,
  detail: string,
  more: { readonly headers?: Record<string, string>; readonly fields?: object } = {},
): Response {
  const title = STATUS_CODES[status] ?? "Error";
  const body = { type: "about:blank", title, status, detail, ...more.fields };
  const headers = { "content-type": "application/problem+json", ...more.headers };
  return new Response(`${JSON.stringify(body)}\n`, { status, headers });
}
