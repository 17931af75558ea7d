import { Connection, Writer } from "@platformatic/kafka";
import { DbusError } from "../../../errors.ts";
import { createFrameCheck } from "../answer-frames.ts";
import type { Address, BrokerConnection } from "../broker-connection.ts";
import { connectError, requestError } from "../connect-errors.ts";
import type { KafkaConnectionOptions } from "../port.ts";
import { type ApiVersions, requestApiVersions } from "../wire/api-versions.ts";

/** Its own limits are out of the way: a request has its time by the bus's clock, as one drops it. */
const neverMs = 2 ** 31 - 1;

type Request<Decoded> = {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly body: Buffer;
  readonly timeoutMs: number;
  decode(data: Buffer): Decoded;
};

/** Connects, logs in, and asks what the broker speaks. */
export async function openPlatformaticConnection(
  { host, port }: Address,
  options: KafkaConnectionOptions,
): Promise<BrokerConnection> {
  const name = `${host}:${port}`;
  const connection = new Connection(options.clientId, {
    connectTimeout: options.connectTimeoutMs,
    requestTimeout: neverMs,
    maxInflights: 1_000,
    ...securityOf(options),
  });
  // It says by events what its promises and callbacks say as well.
  connection.on("error", () => {});
  connection.on("timeout", () => {});
  try {
    await connection.connect(host, port);
    guard(connection);
    const versions = await requestApiVersions((request) =>
      send(connection, { ...request, timeoutMs: options.connectTimeoutMs }, options),
    );
    return brokerConnection(name, connection, versions, options);
  } catch (error) {
    connection.socket?.destroy();
    throw connectError(error, name, options);
  }
}

function securityOf({ tls, sasl }: KafkaConnectionOptions) {
  return {
    ...(tls
      ? {
          tls: {
            rejectUnauthorized: tls.verify,
            minVersion: "TLSv1.2" as const,
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
          },
        }
      : {}),
    ...(sasl
      ? {
          sasl: {
            mechanism: sasl.mechanism.toUpperCase() as "PLAIN",
            username: sasl.username,
            password: sasl.password,
          },
        }
      : {}),
  };
}

/**
 * It gathers as many bytes as a broker announces, and a size below zero makes it throw where nobody
 * catches: so each chunk is looked at before it, and what it throws ends the connection.
 */
function guard({ socket }: Connection): void {
  const check = createFrameCheck();
  const takers = socket.listeners("data") as ((chunk: Uint8Array) => void)[];
  socket.removeAllListeners("data");
  socket.on("data", (chunk) => {
    try {
      check(chunk as Uint8Array);
      for (const take of takers) take.call(socket, chunk as Uint8Array);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

function send<Decoded>(
  connection: Connection,
  { apiKey, apiVersion, body, timeoutMs, decode }: Request<Decoded>,
  { clock }: Pick<KafkaConnectionOptions, "clock">,
): Promise<Decoded> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => {
      reject(new Error(`no answer within ${timeoutMs} ms`));
      connection.socket.destroy();
    });
    if (!connection.isConnected()) {
      timer.cancel();
      reject(new Error("the connection is closed"));
      return;
    }
    connection.send<Decoded>(
      apiKey,
      apiVersion,
      // Bodies of flexible versions begin with the tags of the header, so it knows of none.
      () => Writer.create().append(body),
      (_correlationId, _apiKey, _apiVersion, reader) => decode(reader.buffer.buffer),
      false,
      false,
      (error, answer) => {
        timer.cancel();
        if (error) reject(error);
        else resolve(answer as Decoded);
      },
    );
  });
}

function brokerConnection(
  name: string,
  connection: Connection,
  versions: ApiVersions,
  options: KafkaConnectionOptions,
): BrokerConnection {
  let quietUntil = Number.NEGATIVE_INFINITY;
  const drop = () => void connection.socket.destroy();

  async function ask<Decoded>(request: Request<Decoded>): Promise<Decoded> {
    try {
      return await send(connection, request, options);
    } catch (error) {
      drop();
      throw requestError(error, name, options);
    }
  }

  return {
    name,
    isOpen: () => connection.isConnected(),
    version(apiKey, oldest, newest) {
      const { min, max } = versions.get(apiKey) ?? { min: 0, max: -1 };
      const chosen = Math.min(newest, max);
      if (chosen >= oldest && chosen >= min) return chosen;
      throw new DbusError("KAFKA_UNSUPPORTED", `broker ${name} does not speak API ${apiKey}`);
    },
    send: (request) =>
      ask({ ...request, timeoutMs: request.timeoutMs ?? options.requestTimeoutMs }),
    async sendFrame({ apiKey, apiVersion, frame, decode }) {
      const { clock } = options;
      const waitMs = quietUntil - clock.now();
      if (waitMs > 0) await new Promise<void>((resolve) => clock.after(waitMs, resolve));
      const whole = frame(0);
      // Size, API key, version, correlation id and client id are written by the library.
      const body = whole.subarray(14 + whole.readInt16BE(12));
      const timeoutMs = options.requestTimeoutMs;
      const answer = await ask({ apiKey, apiVersion, body, timeoutMs, decode });
      quietUntil = clock.now() + answer.clientSideThrottleTime;
      return answer;
    },
    drop,
  };
}
