import { DbusError } from "../../errors.ts";
import type { KafkaConnectionOptions } from "./port.ts";

/** What the drivers, Bun's sockets and Bun's TLS throw has these in common. */
type Thrown = {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly apiCode?: unknown;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
};

const tlsCodes =
  /CERT|^ERR_SSL|^ERR_TLS|^EPROTO$|UNABLE_TO_(GET|VERIFY|DECRYPT)|CRL_|^HOSTNAME_MISMATCH|^INVALID_CA/;

/** Of the protocol, with what each adds to a refused login. */
const saslCodes: ReadonlyMap<unknown, string> = new Map([
  [33, ": it has no such mechanism"],
  [34, ": its listener knows no logins"],
  [58, ""],
]);

/** An error and what it was made of, the outermost first; a driver may wrap them several times. */
function chainOf(error: unknown): Thrown[] {
  const chain: Thrown[] = [];
  const waiting = [error];
  while (waiting.length > 0 && chain.length < 20) {
    const one = waiting.shift() as Thrown | undefined;
    if (one === undefined || one === null) continue;
    chain.push(one);
    waiting.push(...(one.errors ?? []), one.cause);
  }
  return chain;
}

/** What the innermost says is what happened. */
function messageOf(error: unknown): string {
  const messages = chainOf(error).flatMap(({ message }) => message ?? []);
  return messages.findLast((message) => message !== "") ?? String(error);
}

/** Names what went wrong while a connection was made. */
export function connectError(
  thrown: unknown,
  broker: string,
  options: Pick<KafkaConnectionOptions, "tls" | "sasl">,
): DbusError {
  if (thrown instanceof DbusError) return thrown;
  const chain = chainOf(thrown);
  const message = messageOf(thrown);
  const cause = { cause: thrown };
  const refused = chain.find((one) => isRefusal(one));
  if (refused) {
    const { mechanism = "", username = "" } = options.sasl ?? {};
    const text = `broker ${broker} refused the ${mechanism} login of user ${username}`;
    const why = chain.flatMap(({ code, apiCode }) => saslCodes.get(apiCode ?? code) ?? []);
    return new DbusError("KAFKA_AUTH", `${text}${why.find((one) => one !== "") ?? ""}`, cause);
  }
  const isTls = ({ code }: Thrown) => tlsCodes.test(String(code));
  if (options.tls && (chain.some(isTls) || /\b(certificate|ssl|tls)\b/i.test(message))) {
    const isPlain = /disconnected before secure|WRONG_VERSION_NUMBER/i.test(message);
    const remedy = isPlain ? { remedy: listenerRemedy(options) } : {};
    return new DbusError("KAFKA_TLS", `broker ${broker}: ${message}`, { ...cause, ...remedy });
  }
  const byTls = /answers by TLS/.test(message);
  const isOther = byTls || /clos|hang up|reset|timed out|announced/i.test(message);
  const hint = isOther && !byTls ? closedHint(options) : "";
  const remedy = isOther ? { remedy: listenerRemedy(options) } : {};
  return new DbusError("KAFKA_UNREACHABLE", `broker ${broker}: ${message}${hint}`, {
    ...cause,
    ...remedy,
  });
}

function isRefusal({ name, code, apiCode, cause }: Thrown): boolean {
  // A connection that ends while it logs in is no refusal: that passes with the broker's restart.
  const ended = /_(NETWORK|TIMEOUT)$/.test(String((cause as Thrown | undefined)?.code));
  const named =
    name === "KafkaJSSASLAuthenticationError" || (code === "PLT_KFK_AUTHENTICATION" && !ended);
  return named || saslCodes.has(code) || saslCodes.has(apiCode);
}

/** A broker that expects another kind of connection closes it, or answers with an alert of TLS. */
function closedHint({ tls, sasl }: Pick<KafkaConnectionOptions, "tls" | "sasl">): string {
  if (tls) return "; is that a TLS listener?";
  return sasl
    ? "; is that a SASL listener without TLS?"
    : "; does that listener ask for TLS or SASL?";
}

function listenerRemedy({ tls, sasl }: Pick<KafkaConnectionOptions, "tls" | "sasl">): string {
  if (tls) return "check that brokers names a TLS listener; else leave tls out";
  const fields = sasl ? "tls" : "tls or sasl";
  return `check the host and port in brokers, and whether that listener wants ${fields}`;
}

/** Names what went wrong with a request: nobody knows whether the broker has acted on it. */
export function requestError(
  thrown: unknown,
  broker: string,
  options: Pick<KafkaConnectionOptions, "sasl">,
): DbusError {
  if (thrown instanceof DbusError) return thrown;
  const message = messageOf(thrown);
  // A listener that asks for a login answers the first question, and hangs up at the second.
  const asksForLogin = !options.sasl && /clos/i.test(message);
  const hint = asksForLogin ? "; if it always does, it asks for SASL" : "";
  const remedy = asksForLogin ? { remedy: "nothing if it passes; if it stays, set sasl" } : {};
  return new DbusError("KAFKA_REQUEST_FAILED", `broker ${broker}: ${message}${hint}`, {
    cause: thrown,
    ...remedy,
  });
}
