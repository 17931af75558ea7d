/** The plugin SDK, imported as `#plugin`: everything that a plugin may know of the bus. */
export { type Clock, sleep, type Timer } from "../clock.ts";
export { isLoopback } from "../config/admin-address.ts";
export { DbusError, type ErrorCode, toDbusError } from "../errors.ts";
export { identMatches } from "../flow/match.ts";
export {
  type Bytes,
  type Column,
  type ColumnKind,
  type Document,
  type Headers,
  JsonText,
  type Packet,
  type Payload,
  type RecordFrame,
  type RowChange,
  recordOf,
  type Table,
  type Text,
  type Transaction,
  type Value,
} from "../flow/packet.ts";
export type { ComparePositions, Json, Position } from "../flow/position.ts";
export { bearerOf, sameSecret } from "../http/bearer.ts";
export { type HttpListener, listenHttp } from "../http/listener.ts";
export { type Body, readBody } from "../http/read-body.ts";
export { type ServerTls, serverTlsSchema } from "../http/server-tls.ts";
export type { Log } from "../log.ts";
export type {
  CheckContext,
  EmitOptions,
  FilterContext,
  GapReport,
  InputContext,
  OutputContext,
  Settlement,
  SourcePartition,
  SourceRange,
} from "./context.ts";
export {
  type Applied,
  type BatchPolicy,
  defineFilter,
  defineInput,
  defineOutput,
  type FilterPlugin,
  type Gather,
  type InputPlugin,
  type OutputPlugin,
  type Plugin,
  type PluginMemory,
  type RetryPolicy,
  type Verdict,
} from "./define.ts";
export type { Resource } from "./resource.ts";
export { secret } from "./secret.ts";
export { seededRandom } from "./seeded-random.ts";
