import { DbusError, type ErrorCode, errorTable, type Problem } from "../errors.ts";

/** What dbc asks a daemon through. Every method throws `DbusError`. */
export type Client = {
  readonly url: string;
  get<T>(path: string): Promise<T>;
  send<T>(method: "PUT" | "POST" | "DELETE", path: string, body?: unknown): Promise<T>;
};

export type ClientOptions = {
  /** `host:port` or a URL. */
  readonly admin: string;
  readonly token: string | undefined;
  /** PEM of the authorities to trust instead of the system's; it means https. */
  readonly ca?: string | undefined;
};

const readMs = 10_000;
const commandMs = 120_000;

export function createClient({ admin, token, ca }: ClientOptions): Client {
  const url = adminUrl(admin, ca === undefined ? "http" : "https");
  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (method !== "GET") headers["content-type"] = "application/json";
    if (token) headers.authorization = `Bearer ${token}`;
    const init = {
      method,
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(method === "GET" ? readMs : commandMs),
      ...(ca === undefined ? {} : { tls: { ca } }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    } as const;
    let response: Response;
    try {
      response = await fetch(url + path, init);
    } catch (error) {
      const why = (error as { code?: unknown } | null)?.code ?? "no answer";
      const message = `no daemon answers at ${url} (${String(why)})`;
      throw new DbusError("DAEMON_UNREACHABLE", message, { cause: error, ...remedyOf(why) });
    }
    return answerOf<T>(response, url);
  }
  return {
    url,
    get: (path) => call("GET", path),
    send: (method, path, body) => call(method, path, body ?? {}),
  };
}

/** A certificate that is not believed is no daemon that is down. */
function remedyOf(why: unknown): { remedy?: string } {
  if (!/CERT|TLS|SSL|ISSUER|VERIFY/i.test(String(why))) return {};
  const remedy = "name its authority with --ca FILE, and the host as its certificate has it";
  return { remedy };
}

async function answerOf<T>(response: Response, url: string): Promise<T> {
  const text = await response.text();
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    const message = `something answers at ${url}, but it is not dbusd`;
    throw new DbusError("DAEMON_UNREACHABLE", message);
  }
  if (response.ok) return answer as T;
  const { code, detail, remedy, problems } = answer as {
    readonly code?: string;
    readonly detail?: string;
    readonly remedy?: string;
    readonly problems?: readonly Problem[];
  };
  if (code === undefined || !Object.hasOwn(errorTable, code)) {
    throw new DbusError("DAEMON_UNREACHABLE", `${url} answers ${response.status}`);
  }
  const options = { ...(remedy ? { remedy } : {}), ...(problems ? { problems } : {}) };
  throw new DbusError(code as ErrorCode, detail ?? `status ${response.status}`, options);
}

/** Accepts what people write: `9876`, `:9876`, `host:9876`, `https://host:9876/`. */
export function adminUrl(admin: string, scheme: "http" | "https" = "http"): string {
  const whole = admin.replace(/^:?(?=\d+$)/, "127.0.0.1:");
  const url = URL.parse(/^https?:\/\//.test(whole) ? whole : `${scheme}://${whole}`);
  if (url === null || url.username !== "" || url.password !== "" || url.hostname === "") {
    throw new DbusError("USAGE", "--admin wants host:port", {
      remedy: "e.g. --admin 127.0.0.1:9876; a token goes into the variable DBUS_TOKEN",
    });
  }
  return url.origin;
}
