/*
 * The parts of kafkajs 2.2.4 that this driver builds on, below its public producer. It is the last
 * release, and package.json names it exactly.
 */

declare module "kafkajs/src/network/connection" {
  import type { Socket } from "node:net";

  type Logger = {
    namespace(name: string): Logger;
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
  };

  type Sasl = { mechanism: string; username: string; password: string };

  type Ssl = { ca?: string; cert?: string; key?: string; rejectUnauthorized: boolean };

  type ConnectionOptions = {
    host: string;
    port: number;
    logger: Logger;
    socketFactory: (at: {
      host: string;
      port: number;
      ssl: Ssl | null;
      onConnect: () => void;
    }) => Socket;
    requestTimeout: number;
    connectionTimeout: number;
    ssl: Ssl | null;
    sasl: Sasl | null;
    clientId: string;
  };

  type SocketRequest = { readonly requestTimeout: number; timeoutRequest(): void };

  export type RequestQueue = {
    readonly pending: readonly unknown[];
    readonly inflight: ReadonlyMap<number, SocketRequest>;
    readonly requestTimeout: number;
    throttledUntil: number;
    isConnected(): boolean;
    sendSocketRequest(request: SocketRequest): void;
    scheduleRequestTimeoutCheck(): void;
    destroy(): void;
    scheduleCheckPendingRequests(): void;
    maybeThrottle(clientSideThrottleTime: number): void;
    push(request: {
      entry: {
        apiKey: number;
        apiName: string;
        apiVersion: number;
        correlationId: number;
        resolve: (answer: { readonly payload: Buffer }) => void;
        reject: (error: Error) => void;
      };
      expectResponse: boolean;
      requestTimeout: number | null;
      sendRequest: () => void;
    }): void;
  };

  type WireRequest = {
    apiKey: number;
    apiVersion: number;
    apiName: string;
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };

  class Connection {
    constructor(options: ConnectionOptions);
    readonly requestQueue: RequestQueue;
    readonly socket: Socket | undefined;
    connect(): Promise<unknown>;
    disconnect(): Promise<unknown>;
    isConnected(): boolean;
    setVersions(versions: import("kafkajs/src/protocol/requests").Versions): void;
    setSupportAuthenticationProtocol(supported: boolean): void;
    authenticate(): Promise<void>;
    failIfNotConnected(): void;
    nextCorrelationId(): number;
    rejectRequests(error: Error): void;
    processData(chunk: Buffer): void;
    send<Decoded, Parsed>(call: {
      request: WireRequest;
      response: {
        decode(data: Buffer): Promise<Decoded>;
        parse(decoded: Decoded): Promise<Parsed>;
      };
      requestTimeout?: number;
      logResponseError?: boolean;
    }): Promise<Parsed>;
  }

  export = Connection;
}

declare module "kafkajs/src/protocol/decoder" {
  class Decoder {
    constructor(buffer: Buffer);
    readonly buffer: Buffer;
    offset: number;
    readString(): string | null;
    readBytes(length?: number): Buffer | null;
    readArray<T>(reader: (decoder: Decoder) => T): T[];
    readArrayAsync<T>(reader: (decoder: Decoder) => Promise<T>): Promise<T[]>;
  }

  export = Decoder;
}

declare module "kafkajs/src/protocol/requests" {
  import type { WireRequest } from "kafkajs/src/network/connection";

  type Versions = Record<number, { minVersion: number; maxVersion: number }>;

  type Call<Decoded> = {
    request: WireRequest;
    response: { decode(data: Buffer): Promise<Decoded>; parse(decoded: Decoded): Promise<Decoded> };
  };

  type Definition<Arguments, Decoded> = {
    versions: string[];
    protocol(at: { version: number }): (args: Arguments) => Call<Decoded>;
  };

  const requests: {
    ApiVersions: Definition<
      Record<string, never>,
      { apiVersions: { apiKey: number; minVersion: number; maxVersion: number }[] }
    >;
    Metadata: Definition<
      { topics: string[]; allowAutoTopicCreation: boolean },
      {
        brokers: { nodeId: number; host: string; port: number }[];
        controllerId: number;
        topicMetadata: {
          topicErrorCode: number;
          topic: string;
          partitionMetadata: { partitionErrorCode: number; partitionId: number; leader: number }[];
        }[];
      }
    >;
    InitProducerId: Definition<
      { transactionalId: string | null; transactionTimeout: number },
      { errorCode: number; producerId: string; producerEpoch: number }
    >;
    CreateTopics: Definition<
      {
        topics: { topic: string; numPartitions: number; replicationFactor: number }[];
        timeout: number;
      },
      { topicErrors: { topic: string; errorCode: number; errorMessage: string | null }[] }
    >;
  };

  export { type Call, type Definition, requests, type Versions };
}
