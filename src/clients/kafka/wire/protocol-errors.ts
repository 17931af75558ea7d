import { DbusError, type ErrorCode } from "../../../errors.ts";

/**
 * The error codes of the Kafka protocol (https://kafka.apache.org/protocol#protocol_error_codes)
 * that a client can meet, by what dbus does about them. `fate` is what is known of the records:
 * `kept` says that the broker has or may have them, `refused` that it surely has not.
 */
type Meaning = {
  readonly name: string;
  readonly code: ErrorCode;
  readonly fate: "kept" | "refused";
};

const meanings: Readonly<Record<number, Meaning>> = {
  [-1]: { name: "UNKNOWN_SERVER_ERROR", code: "KAFKA_REQUEST_FAILED", fate: "kept" },
  1: { name: "OFFSET_OUT_OF_RANGE", code: "KAFKA_OFFSET_OUT_OF_RANGE", fate: "refused" },
  2: { name: "CORRUPT_MESSAGE", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  3: { name: "UNKNOWN_TOPIC_OR_PARTITION", code: "KAFKA_TOPIC_MISSING", fate: "refused" },
  5: { name: "LEADER_NOT_AVAILABLE", code: "KAFKA_NOT_LEADER", fate: "refused" },
  6: { name: "NOT_LEADER_OR_FOLLOWER", code: "KAFKA_NOT_LEADER", fate: "refused" },
  7: { name: "REQUEST_TIMED_OUT", code: "KAFKA_NOT_ENOUGH_REPLICAS", fate: "kept" },
  8: { name: "BROKER_NOT_AVAILABLE", code: "KAFKA_NOT_LEADER", fate: "refused" },
  9: { name: "REPLICA_NOT_AVAILABLE", code: "KAFKA_NOT_LEADER", fate: "refused" },
  10: { name: "MESSAGE_TOO_LARGE", code: "KAFKA_RECORD_TOO_LARGE", fate: "refused" },
  12: { name: "OFFSET_METADATA_TOO_LARGE", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  13: { name: "NETWORK_EXCEPTION", code: "KAFKA_REQUEST_FAILED", fate: "kept" },
  14: { name: "COORDINATOR_LOAD_IN_PROGRESS", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  15: { name: "COORDINATOR_NOT_AVAILABLE", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  16: { name: "NOT_COORDINATOR", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  17: { name: "INVALID_TOPIC_EXCEPTION", code: "KAFKA_TOPIC_INVALID", fate: "refused" },
  18: { name: "RECORD_LIST_TOO_LARGE", code: "KAFKA_RECORD_TOO_LARGE", fate: "refused" },
  19: { name: "NOT_ENOUGH_REPLICAS", code: "KAFKA_NOT_ENOUGH_REPLICAS", fate: "refused" },
  20: { name: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", code: "KAFKA_NOT_ENOUGH_REPLICAS", fate: "kept" },
  22: { name: "ILLEGAL_GENERATION", code: "KAFKA_REBALANCED", fate: "refused" },
  23: { name: "INCONSISTENT_GROUP_PROTOCOL", code: "KAFKA_GROUP_REFUSED", fate: "refused" },
  24: { name: "INVALID_GROUP_ID", code: "KAFKA_GROUP_REFUSED", fate: "refused" },
  25: { name: "UNKNOWN_MEMBER_ID", code: "KAFKA_REBALANCED", fate: "refused" },
  26: { name: "INVALID_SESSION_TIMEOUT", code: "KAFKA_GROUP_REFUSED", fate: "refused" },
  27: { name: "REBALANCE_IN_PROGRESS", code: "KAFKA_REBALANCED", fate: "refused" },
  28: { name: "INVALID_COMMIT_OFFSET_SIZE", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  29: { name: "TOPIC_AUTHORIZATION_FAILED", code: "KAFKA_TOPIC_DENIED", fate: "refused" },
  30: { name: "GROUP_AUTHORIZATION_FAILED", code: "KAFKA_GROUP_DENIED", fate: "refused" },
  31: { name: "CLUSTER_AUTHORIZATION_FAILED", code: "KAFKA_TOPIC_DENIED", fate: "refused" },
  32: { name: "INVALID_TIMESTAMP", code: "KAFKA_RECORD_REJECTED", fate: "refused" },
  33: { name: "UNSUPPORTED_SASL_MECHANISM", code: "KAFKA_AUTH", fate: "refused" },
  34: { name: "ILLEGAL_SASL_STATE", code: "KAFKA_AUTH", fate: "refused" },
  35: { name: "UNSUPPORTED_VERSION", code: "KAFKA_UNSUPPORTED", fate: "refused" },
  36: { name: "TOPIC_ALREADY_EXISTS", code: "KAFKA_TOPIC_INVALID", fate: "refused" },
  37: { name: "INVALID_PARTITIONS", code: "KAFKA_TOPIC_MISSING", fate: "refused" },
  38: { name: "INVALID_REPLICATION_FACTOR", code: "KAFKA_TOPIC_MISSING", fate: "refused" },
  40: { name: "INVALID_CONFIG", code: "KAFKA_TOPIC_MISSING", fate: "refused" },
  41: { name: "NOT_CONTROLLER", code: "KAFKA_NOT_LEADER", fate: "refused" },
  43: { name: "UNSUPPORTED_FOR_MESSAGE_FORMAT", code: "KAFKA_UNSUPPORTED", fate: "refused" },
  44: { name: "POLICY_VIOLATION", code: "KAFKA_TOPIC_MISSING", fate: "refused" },
  45: { name: "OUT_OF_ORDER_SEQUENCE_NUMBER", code: "KAFKA_SEQUENCE_LOST", fate: "refused" },
  47: { name: "INVALID_PRODUCER_EPOCH", code: "KAFKA_SEQUENCE_LOST", fate: "refused" },
  48: { name: "INVALID_TXN_STATE", code: "KAFKA_TRANSACTION_UNSURE", fate: "refused" },
  49: { name: "INVALID_PRODUCER_ID_MAPPING", code: "KAFKA_FENCED", fate: "refused" },
  50: { name: "INVALID_TRANSACTION_TIMEOUT", code: "KAFKA_TRANSACTION_REFUSED", fate: "refused" },
  51: { name: "CONCURRENT_TRANSACTIONS", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  52: { name: "TRANSACTION_COORDINATOR_FENCED", code: "KAFKA_REQUEST_FAILED", fate: "kept" },
  53: {
    name: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    code: "KAFKA_TRANSACTION_REFUSED",
    fate: "refused",
  },
  55: { name: "OPERATION_NOT_ATTEMPTED", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  56: { name: "KAFKA_STORAGE_ERROR", code: "KAFKA_STORAGE", fate: "kept" },
  58: { name: "SASL_AUTHENTICATION_FAILED", code: "KAFKA_AUTH", fate: "refused" },
  59: { name: "UNKNOWN_PRODUCER_ID", code: "KAFKA_SEQUENCE_LOST", fate: "refused" },
  74: { name: "FENCED_LEADER_EPOCH", code: "KAFKA_NOT_LEADER", fate: "refused" },
  75: { name: "UNKNOWN_LEADER_EPOCH", code: "KAFKA_NOT_LEADER", fate: "refused" },
  76: { name: "UNSUPPORTED_COMPRESSION_TYPE", code: "KAFKA_UNSUPPORTED", fate: "refused" },
  81: { name: "GROUP_MAX_SIZE_REACHED", code: "KAFKA_GROUP_REFUSED", fate: "refused" },
  82: { name: "FENCED_INSTANCE_ID", code: "KAFKA_REBALANCED", fate: "refused" },
  87: { name: "INVALID_RECORD", code: "KAFKA_RECORD_REJECTED", fate: "refused" },
  89: { name: "THROTTLING_QUOTA_EXCEEDED", code: "KAFKA_REQUEST_FAILED", fate: "refused" },
  90: { name: "PRODUCER_FENCED", code: "KAFKA_FENCED", fate: "refused" },
  100: { name: "UNKNOWN_TOPIC_ID", code: "KAFKA_TOPIC_MISSING", fate: "refused" },
};

export const noError = 0;
export const offsetOutOfRange = 1;
export const rebalanceInProgress = 27;
export const memberIdRequired = 79;
/** The coordinator of a group has moved, or has just begun to load what it needs. */
export const coordinatorMoves: readonly number[] = [14, 15, 16];
/** The broker still ends the transaction before, or another request on the same id. */
export const concurrentTransactions = 51;
/** A newer epoch of the producer is known: somebody has the transactional id, or it timed out. */
export const producerFenced: readonly number[] = [47, 49, 90];
/** Of what stands beside something that was refused. */
export const notAttempted = 55;
export const topicExists = 36;
export const invalidPartitions = 37;
/** The broker already has the batch: a retry of what was written after all. */
export const duplicateSequence = 46;

const unknown: Meaning = { name: "an unknown error", code: "KAFKA_REQUEST_FAILED", fate: "kept" };

/** Whether a batch that was answered with this may stand in the log all the same. */
export function mayBeKept(protocolCode: number): boolean {
  return (meanings[protocolCode] ?? unknown).fate === "kept";
}

/** The error of dbus for one of the protocol; `what` says what was asked, `detail` what was said. */
export function protocolError(protocolCode: number, what: string, detail?: string): DbusError {
  const { name, code } = meanings[protocolCode] ?? unknown;
  const said = detail ? `: ${detail}` : "";
  return new DbusError(code, `${what}: the broker answered ${name} (${protocolCode})${said}`);
}
