import { DbusError, type ErrorCode } from "../../errors.ts";

/** What ZooKeeper says of a request, in words; `lost`: the connection went before it said anything. */
export type ZkReason =
  | "no_node"
  | "node_exists"
  | "bad_version"
  | "not_empty"
  | "no_auth"
  | "auth_failed"
  | "no_children_for_ephemerals"
  | "invalid_acl"
  | "bad_arguments"
  | "expired"
  | "session_moved"
  | "quota"
  | "rolled_back"
  | "lost"
  | "unreachable"
  | "untrusted"
  | "closed"
  | "other";

/**
 * An answer of ZooKeeper that is no success. `outcomeUnknown` says that a write may have been done
 * all the same: read before you try it again. `KeeperException.Code` of its Java client names the
 * numbers.
 */
export class ZkError extends DbusError {
  readonly reason: ZkReason;
  readonly outcomeUnknown: boolean;

  constructor(reason: ZkReason, message: string, outcomeUnknown = false) {
    super(codeOf(reason), message);
    this.name = "ZkError";
    this.reason = reason;
    this.outcomeUnknown = outcomeUnknown;
  }
}

const byNumber: Readonly<Record<number, ZkReason>> = {
  [-2]: "rolled_back",
  [-4]: "lost",
  [-8]: "bad_arguments",
  [-101]: "no_node",
  [-102]: "no_auth",
  [-103]: "bad_version",
  [-108]: "no_children_for_ephemerals",
  [-110]: "node_exists",
  [-111]: "not_empty",
  [-112]: "expired",
  [-114]: "invalid_acl",
  [-115]: "auth_failed",
  [-118]: "session_moved",
  [-125]: "quota",
};

/** Of an error number in a reply; `what` names the request and its path. */
export function serverError(errno: number, what: string): ZkError {
  const reason = byNumber[errno] ?? "other";
  const words = reason === "other" ? `error ${errno}` : reason.replaceAll("_", " ");
  return new ZkError(reason, `${what}: ${words}`, reason === "lost");
}

/** Whether an error is ZooKeeper's answer for one of these reasons. */
export function isZk(thrown: unknown, ...reasons: readonly ZkReason[]): thrown is ZkError {
  return thrown instanceof ZkError && reasons.includes(thrown.reason);
}

function codeOf(reason: ZkReason): ErrorCode {
  switch (reason) {
    case "expired":
      return "ZOOKEEPER_SESSION_EXPIRED";
    case "lost":
    case "session_moved":
      return "ZOOKEEPER_CONNECTION_LOST";
    case "untrusted":
      return "ZOOKEEPER_TLS";
    case "unreachable":
    case "closed":
      return "ZOOKEEPER_UNREACHABLE";
    case "no_auth":
    case "auth_failed":
    case "invalid_acl":
      return "ZOOKEEPER_DENIED";
    case "other":
    case "bad_arguments":
    case "quota":
      return "ZOOKEEPER_REQUEST_FAILED";
    default:
      return "ZOOKEEPER_CONDITION";
  }
}
