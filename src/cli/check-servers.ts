import { type Clock, systemClock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import { DbusError, type ErrorCode, toDbusError } from "../errors.ts";
import { silentLog } from "../log.ts";
import type { CheckContext } from "../plugin/context.ts";
import { printable } from "./text.ts";

/** One thing that was found out of a server. */
export type Finding =
  | { readonly severity: "ok"; readonly message: string }
  | {
      readonly severity: "warning" | "error";
      readonly code: ErrorCode;
      readonly message: string;
      readonly remedy: string;
    };

/** What was found out for one input or output. */
export type ServerCheck = {
  readonly kind: "input" | "output";
  readonly name: string;
  readonly plugin: string;
  readonly findings: readonly Finding[];
};

/** A server that does not answer must not keep whoever only wants to know. */
const limitMs = 15_000;

type Check = (context: CheckContext) => Promise<void>;

/** Asks the servers of all inputs and outputs at once; those that have none are left out. */
export async function checkServers(
  { inputs, outputs }: Pick<Config, "inputs" | "outputs">,
  clock: Clock = systemClock,
): Promise<readonly ServerCheck[]> {
  const asked = [
    ...inputs.map((entry) => ({ kind: "input" as const, entry })),
    ...outputs.map((entry) => ({ kind: "output" as const, entry })),
  ];
  const checks = asked.flatMap(({ kind, entry: { name, plugin, config } }) => {
    const { check } = plugin;
    if (!check) return [];
    const one: Check = (context) => check(context, config);
    return [
      findingsOf(one, clock).then((findings) => ({
        ...{ kind, name },
        plugin: plugin.name,
        findings,
      })),
    ];
  });
  return Promise.all(checks);
}

async function findingsOf(check: Check, clock: Clock): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const over = new AbortController();
  const say = (severity: "warning" | "error", { code, message, remedy }: DbusError) => {
    if (!over.signal.aborted) findings.push({ severity, code, message, remedy });
  };
  const context: CheckContext = {
    ...{ clock, log: silentLog, signal: over.signal },
    ok(message) {
      if (!over.signal.aborted) findings.push({ severity: "ok", message });
    },
    warn: (error) => say("warning", error),
    fail: (error) => say("error", error),
  };
  const late = Promise.withResolvers<void>();
  const timer = clock.after(limitMs, () => {
    const text = `its server did not tell all that was asked within ${limitMs / 1000} s`;
    say("error", new DbusError("PLUGIN_TIMEOUT", text, { remedy: "see whether it is reached" }));
    late.resolve();
  });
  const asked = check(context).catch((thrown) => say("error", toDbusError(thrown)));
  await Promise.race([asked, late.promise]);
  timer.cancel();
  over.abort();
  return findings;
}

/** The first that would keep an input or output from working. */
export function firstError(
  checks: readonly ServerCheck[],
): { readonly code: ErrorCode } | undefined {
  return checks
    .flatMap(({ findings }) => findings)
    .find((one): one is Exclude<Finding, { severity: "ok" }> => one.severity === "error");
}

export function checksText(checks: readonly ServerCheck[]): string {
  return checks.flatMap(linesOf).join("");
}

function linesOf({ kind, name, findings }: ServerCheck): readonly string[] {
  return findings.map((finding) => {
    const start = `${kind} ${name}: `;
    const message = printable(finding.message);
    if (finding.severity === "ok") return `${start}${message}\n`;
    const { severity, code, remedy } = finding;
    return `${start}${severity}: ${message} [${code}]\n    ${printable(remedy)}\n`;
  });
}
