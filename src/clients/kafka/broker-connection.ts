import type { KafkaConnectionOptions } from "./port.ts";

export type Address = { readonly host: string; readonly port: number };

/**
 * A connection to one broker, logged in: all that a driver is to dbus. Metadata, producing and
 * consuming stand on it, and are the same for every driver. Errors are `DbusError`s.
 */
export type BrokerConnection = {
  readonly name: string;
  isOpen(): boolean;
  /** The newest version of an API that both sides speak. Throws KAFKA_UNSUPPORTED without one. */
  version(apiKey: number, oldest: number, newest: number): number;
  /** Makes a request with a body that is encoded already. */
  send<Decoded>(request: RawRequest<Decoded>): Promise<Decoded>;
  /** Makes a request that is whole already, but for its correlation id. */
  sendFrame<Decoded extends Throttled>(request: FramedRequest<Decoded>): Promise<Decoded>;
  /** Gives the connection up at once; what is on its way fails. */
  drop(): void;
};

/** Connects, asks what the broker speaks, and logs in. */
export type OpenConnection = (
  address: Address,
  options: KafkaConnectionOptions,
) => Promise<BrokerConnection>;

export type RawRequest<Decoded> = {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly body: Buffer;
  /** In place of `requestTimeoutMs`: for what a broker may answer later, or is to answer soon. */
  readonly timeoutMs?: number | undefined;
  /** Of what comes behind the correlation id. */
  decode(data: Buffer): Decoded;
};

type Throttled = { readonly clientSideThrottleTime: number };

export type FramedRequest<Decoded> = {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  /** The bytes to send, which must stay as they are until the answer is there. */
  frame(correlationId: number): Buffer;
  decode(data: Buffer): Decoded;
};
