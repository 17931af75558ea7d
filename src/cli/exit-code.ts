import type { Problem } from "../config/problem.ts";
import type { ErrorCode } from "../errors.ts";

/** The exit codes of both commands, as --help and docs/operations.md tell them. */
export const exitCodes = {
  clean: 0,
  failed: 1,
  usage: 2,
  state: 3,
  listen: 4,
  unreachable: 5,
  stalled: 6,
  incompatible: 7,
} as const;

export const exitCodesText = `Exit codes:
  0  ended as asked
  1  failed while running
  2  the command line or the configuration is wrong
  3  the data folder is held by another process, damaged or not writable: at the start, or
     for the last checkpoint of a stop
  4  the admin API cannot listen, or may not where it was told to
  5  no daemon answers (dbc)
  6  the event loop stood still for longer than bus.stallMsMax: a plugin does not return
  7  the cluster does not speak a protocol that this version speaks
`;

const byCode: Partial<Record<ErrorCode, number>> = {
  USAGE: exitCodes.usage,
  CONFIG_NOT_FOUND: exitCodes.usage,
  CONFIG_SYNTAX: exitCodes.usage,
  CONFIG_INVALID: exitCodes.usage,
  CONFIG_GRAPH: exitCodes.usage,
  SECRET_MISSING: exitCodes.usage,
  SECRET_IN_CLEAR: exitCodes.usage,
  CLUSTER_CONFIG_TOO_LARGE: exitCodes.usage,
  PLUGIN_UNKNOWN: exitCodes.usage,
  PLUGIN_LOAD: exitCodes.usage,
  RELOAD_RESTART: exitCodes.usage,
  STATE_LOCKED: exitCodes.state,
  STATE_UNWRITABLE: exitCodes.state,
  STATE_NEWER: exitCodes.state,
  STATE_OLDER: exitCodes.state,
  STATE_CORRUPT: exitCodes.state,
  ADMIN_UNSAFE: exitCodes.listen,
  ADMIN_LISTEN: exitCodes.listen,
  DAEMON_UNREACHABLE: exitCodes.unreachable,
  CLUSTER_PROTOCOL: exitCodes.incompatible,
};

/** What is wrong with a configuration: where it may listen has a code of its own. */
export function exitCodeOfProblems(problems: readonly Problem[]): number {
  const errors = problems.filter(({ severity }) => severity === "error");
  const unsafe = errors.length > 0 && errors.every(({ code }) => code === "ADMIN_UNSAFE");
  return unsafe ? exitCodes.listen : exitCodes.usage;
}

export function exitCodeOf(error: { readonly code: ErrorCode }): number {
  return byCode[error.code] ?? exitCodes.failed;
}
