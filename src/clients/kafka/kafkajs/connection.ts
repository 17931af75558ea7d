import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import Connection from "kafkajs/src/network/connection";
import { requests, type Versions } from "kafkajs/src/protocol/requests";
import { DbusError } from "../../../errors.ts";
import type { Log } from "../../../log.ts";
import type { Address, BrokerConnection, FramedRequest } from "../broker-connection.ts";
import { connectError, requestError } from "../connect-errors.ts";
import type { KafkaConnectionOptions } from "../port.ts";
import { guardAnswers } from "./answer-guard.ts";
import { onMonotonicTime } from "./monotonic-queue.ts";

const saslAuthenticate = 36;

/** Connects, asks what the broker speaks, and logs in. */
export async function openKafkajsConnection(
  address: Address,
  options: KafkaConnectionOptions,
): Promise<BrokerConnection> {
  const name = `${address.host}:${address.port}`;
  let onClose = (_: Error) => {};
  const closed = new Promise<never>((_, reject) => {
    onClose = reject;
  });
  closed.catch(() => {});
  const connection = newConnection(address, options, (error) => {
    onClose(error);
    connection.rejectRequests(error);
  });
  try {
    // kafkajs waits for ever when the broker closes during the TLS handshake, so we watch as well.
    await Promise.race([connection.connect(), closed]);
    const versions = await apiVersions(connection, options.connectTimeoutMs);
    connection.setVersions(versions);
    connection.setSupportAuthenticationProtocol(versions[saslAuthenticate] !== undefined);
    await Promise.race([connection.authenticate(), closed]);
    return brokerConnection(name, connection, versions, options);
  } catch (error) {
    connection.socket?.destroy();
    throw connectError(error, name, options);
  }
}

function newConnection(
  { host, port }: Address,
  options: KafkaConnectionOptions,
  onClose: (error: Error) => void,
): Connection {
  const { tls, sasl } = options;
  const connection = new Connection({
    host,
    port,
    clientId: options.clientId,
    logger: driverLogger(options.log.with({ broker: `${host}:${port}` })),
    requestTimeout: options.requestTimeoutMs,
    connectionTimeout: options.connectTimeoutMs,
    ssl: tls
      ? {
          rejectUnauthorized: tls.verify,
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
          ...(tls.cert === undefined ? {} : { cert: tls.cert }),
          ...(tls.key === undefined ? {} : { key: tls.key }),
        }
      : null,
    sasl: sasl ? { ...sasl } : null,
    socketFactory: ({ ssl, onConnect }) => {
      const socket: Socket = ssl
        ? connectTls({ host, port, minVersion: "TLSv1.2", ...ssl }, onConnect)
        : connectTcp({ host, port }, onConnect);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      socket.once("close", () => onClose(new Error("the connection was closed")));
      return socket;
    },
  });
  tameThrottleTimer(connection);
  guardAnswers(connection);
  onMonotonicTime(connection.requestQueue, options.clock);
  return connection;
}

/**
 * kafkajs arms a timer after every answer, for the end of a throttling that nearly never is, with
 * a delay below zero: Bun and Node then warn (TimeoutNegativeWarning). Armed only when needed.
 */
function tameThrottleTimer(connection: Connection): void {
  const queue = connection.requestQueue;
  const schedule = queue.scheduleCheckPendingRequests.bind(queue);
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) schedule();
  };
}

/** kafkajs says at level error what it throws as well; whoever catches that names it once. */
function driverLogger(log: Log): ConstructorParameters<typeof Connection>[0]["logger"] {
  const logger = {
    namespace: () => logger,
    debug() {},
    info() {},
    warn: (message: string) => log.warn(`kafkajs: ${message}`),
    error: (message: string) => log.debug(`kafkajs: ${message}`),
  };
  return logger;
}

async function apiVersions(connection: Connection, timeoutMs: number): Promise<Versions> {
  const call = requests.ApiVersions.protocol({ version: 0 })({});
  const { apiVersions } = await connection.send({ ...call, requestTimeout: timeoutMs });
  return Object.fromEntries(apiVersions.map((api) => [api.apiKey, api]));
}

function brokerConnection(
  name: string,
  connection: Connection,
  versions: Versions,
  options: KafkaConnectionOptions,
): BrokerConnection {
  function version(apiKey: number, oldest: number, newest: number): number {
    const { minVersion, maxVersion } = versions[apiKey] ?? { minVersion: 0, maxVersion: -1 };
    const chosen = Math.min(newest, maxVersion);
    if (chosen >= oldest && chosen >= minVersion) return chosen;
    throw new DbusError("KAFKA_UNSUPPORTED", `broker ${name} does not speak API ${apiKey}`);
  }
  const drop = () => {
    connection.socket?.destroy();
    connection.disconnect().catch(() => {});
  };
  return {
    name,
    isOpen: () => connection.isConnected(),
    version,
    async send({ apiKey, apiVersion, apiName, body, timeoutMs, decode }) {
      try {
        return await connection.send({
          request: {
            apiKey,
            apiVersion,
            apiName,
            encode: async () => ({ buf: body, buffer: body }),
          },
          response: { decode: async (data) => decode(data), parse: async (data) => data },
          ...(timeoutMs === undefined ? {} : { requestTimeout: timeoutMs }),
        });
      } catch (error) {
        drop();
        throw requestError(error, name, options);
      }
    },
    async sendFrame(request) {
      try {
        await connection.authenticate();
        const { payload } = await pushFrame(connection, request);
        const answer = request.decode(payload);
        connection.requestQueue.maybeThrottle(answer.clientSideThrottleTime);
        return answer;
      } catch (error) {
        drop();
        throw requestError(error, name, options);
      }
    },
    drop,
  };
}

/** What `Connection.send` of kafkajs does, without its three copies of the request. */
function pushFrame<Decoded>(
  connection: Connection,
  { apiKey, apiVersion, apiName, frame }: FramedRequest<Decoded>,
): Promise<{ readonly payload: Buffer }> {
  connection.failIfNotConnected();
  const correlationId = connection.nextCorrelationId();
  return new Promise((resolve, reject) => {
    connection.requestQueue.push({
      entry: { apiKey, apiName, apiVersion, correlationId, resolve, reject },
      expectResponse: true,
      requestTimeout: null,
      sendRequest: () => void connection.socket?.write(frame(correlationId)),
    });
  });
}
