import { DbusError, type ErrorCode, errorTable, toDbusError } from "../errors.ts";

const statusOf: Partial<Record<ErrorCode, number>> = {
  NOT_FOUND: 404,
  REQUEST_INVALID: 400,
  REQUEST_TOO_LARGE: 413,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  ROLE_DENIED: 403,
  STALE_EPOCH: 409,
  CLUSTER_REFUSED: 409,
  CLUSTER_NONE: 409,
  CLUSTER_CONFIG_TOO_LARGE: 413,
  SECRET_IN_CLEAR: 422,
  RELOAD_HELD: 409,
  RELOAD_RESTART: 422,
  CONFIG_NOT_FOUND: 422,
  CONFIG_SYNTAX: 422,
  CONFIG_INVALID: 422,
  CONFIG_GRAPH: 422,
  SECRET_MISSING: 422,
  PLUGIN_UNKNOWN: 422,
  PLUGIN_LOAD: 422,
  ADMIN_UNSAFE: 422,
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
    ...(error.problems ? { problems: error.problems } : {}),
  };
  const headers = new Headers({ "content-type": "application/problem+json" });
  if (chosen === 401) headers.set("www-authenticate", "Bearer");
  return new Response(JSON.stringify(body), { status: chosen, headers });
}
