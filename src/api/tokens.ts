import { type Clock, systemClock } from "../clock.ts";
import type { AdminConfig, AdminToken } from "../config/config.ts";
import { DbusError } from "../errors.ts";
import { sameSecret } from "../http/bearer.ts";
import { markOf, readTokenFile } from "../http/token-file.ts";
import type { Log } from "../log.ts";
import type { Role } from "./role.ts";

/** Who sent a request: the name is for the log, the role says what may be done. */
export type Holder = { readonly name: string; readonly role: Role };

export type Tokens = {
  /** False where the API asks for none, which only this machine can reach. */
  readonly required: boolean;
  find(sent: string): Holder | undefined;
};

const recheckMs = 1000;

export const noTokens: Tokens = { required: false, find: () => undefined };

type Known = { readonly holder: Holder; text(): string | undefined };

/**
 * The tokens of a configuration. Those in files are read anew when the file changes, at most once a
 * second, so a token is replaced without a restart. Throws `SECRET_MISSING` when a file cannot be
 * used at the start; when one cannot be used later its token stops to be valid, and the log says so.
 */
export function createTokens(
  { token, tokens }: Pick<AdminConfig, "token" | "tokens">,
  log: Log,
  clock: Clock = systemClock,
): Tokens {
  const known = tokens.map((one) => knownOf(one, log, clock));
  if (token !== undefined) {
    known.push({ holder: { name: "admin.token", role: "admin" }, text: () => token });
  }
  return {
    required: known.length > 0,
    find(sent) {
      // All are compared, whichever it is: the time tells nothing of which one was close.
      const matching = known.filter(({ text }) => sameSecret(text() ?? "", sent));
      return sent === "" ? undefined : matching[0]?.holder;
    },
  };
}

function knownOf({ name, role, token, tokenFile }: AdminToken, log: Log, clock: Clock): Known {
  const holder = { name, role };
  if (tokenFile === undefined) return { holder, text: () => token };
  let read = readTokenFile(tokenFile);
  if (read.text === undefined) {
    throw new DbusError("SECRET_MISSING", `the token ${name}: ${tokenFile} ${read.fault}`);
  }
  let checkedAt = clock.now();
  return {
    holder,
    text() {
      if (clock.now() - checkedAt < recheckMs) return read.text;
      checkedAt = clock.now();
      const mark = markOf(tokenFile);
      if (mark === read.mark) return read.text;
      read = readTokenFile(tokenFile);
      if (read.text === undefined) log.error(`admin: the file of the token ${name} ${read.fault}`);
      else log.info(`admin: the token ${name} was read anew`);
      return read.text;
    },
  };
}
