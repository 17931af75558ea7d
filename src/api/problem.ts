import { DbusError, type ErrorCode, errorTable, toDbusError } from "../errors.ts";

const statusOf: Partial<Record<ErrorCode, number>> = {
  NOT_FOUND: 404,
  REQUEST_INVALID: 400,
  REQUEST_TOO_LARGE: 413,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  ROLE_DENIED: 403,
  STALE_EPOCH: 409,
};

/**
 * Any error as `application/problem+json` (RFC 9457) with our code and its remedy. What is not a
 * `DbusError` is a bug, and its text stays in the log.
 */
export function problemResponse(thrown: unknown, status?: number): Response {
  const known = thrown instanceof DbusError;
  const error = toDbusError(thrown);
  const chosen = status ?? statusOf[error.code] ?? (error.kind === "retry" ? 503 : 500);
  const body = {
    type: `urn:dbus:error:${error.code}`,
    title: errorTable[error.code].summary,
    status: chosen,
    detail: known ? error.message : "an unexpected error; the daemon's log has it",
    code: error.code,
    remedy: error.remedy,
  };
  const headers = new Headers({ "content-type": "application/problem+json" });
  if (chosen === 401) headers.set("www-authenticate", "Bearer");
  return new Response(JSON.stringify(body), { status: chosen, headers });
}
