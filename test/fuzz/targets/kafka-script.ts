import { createServer, type Socket } from "node:net";

/*
 * A Kafka broker that knows a few requests and answers them from a script. The layouts are those of
 * https://kafka.apache.org/protocol#protocol_messages; every answer is
 * `size:i32 correlation_id:i32 body`.
 */

export type Answers = Readonly<Record<number, Buffer>>;

export const apiKeys = { produce: 0, metadata: 3, apiVersions: 18, initProducerId: 22 } as const;

/** Stands in answers where the port of the broker belongs, which changes with every run. */
const portMark = 54_321;
export const topic = "t";

/** One field after another: `[bytes, value]`, texts with their length before them. */
export function fields(...parts: readonly (readonly [1 | 2 | 4 | 8, number] | string)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === "string") {
        return Buffer.concat([
          Buffer.from([part.length >> 8, part.length & 255]),
          Buffer.from(part),
        ]);
      }
      const [width, value] = part;
      const bytes = Buffer.alloc(width);
      if (width === 8) bytes.writeBigInt64BE(BigInt(value));
      else bytes.writeIntBE(value, 0, width);
      return bytes;
    }),
  );
}

export function framed(body: Buffer, size = body.length + 4): Buffer {
  return Buffer.concat([fields([4, size], [4, 0]), body]);
}

type Spoken = readonly (readonly [key: number, from: number, to: number])[];

/** ApiVersions 0 of a broker that speaks these. */
export const versionsAnswer = (spoken: Spoken): Buffer =>
  framed(
    Buffer.concat([
      fields([2, 0], [4, spoken.length]),
      ...spoken.map(([key, from, to]) => fields([2, key], [2, from], [2, to])),
    ]),
  );

/** ApiVersions 0, Metadata 6, InitProducerId 1 and Produce 7, as one broker with one topic says them. */
export const goodAnswers: Answers = {
  [apiKeys.apiVersions]: versionsAnswer([
    [apiKeys.produce, 3, 7],
    [apiKeys.metadata, 4, 6],
    [apiKeys.apiVersions, 0, 0],
    [apiKeys.initProducerId, 0, 1],
  ]),
  [apiKeys.metadata]: framed(
    Buffer.concat([
      fields([4, 0], [4, 1], [4, 1], "127.0.0.1", [4, portMark], [2, -1], "cluster", [4, 1]),
      fields([4, 1], [2, 0], topic, [1, 0], [4, 1]),
      fields([2, 0], [4, 0], [4, 1], [4, 1], [4, 1], [4, 1], [4, 1], [4, 0]),
    ]),
  ),
  [apiKeys.initProducerId]: framed(fields([4, 0], [2, 0], [8, 77], [2, 0])),
  [apiKeys.produce]: framed(
    fields([4, 1], topic, [4, 1], [4, 0], [2, 0], [8, 5], [8, -1], [8, 0], [4, 0]),
  ),
};

export type ScriptedBroker = {
  readonly port: number;
  /** What the next clients are told. */
  answer(answers: Answers, last: number): void;
  close(): void;
};

/** Hangs up behind the first answer to the request `last`: who waits for more is told so. */
export async function startBroker(): Promise<ScriptedBroker> {
  let answers: Answers = {};
  let last = -1;
  let port = 0;
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    let held = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 12 && held.length >= 4 + held.readInt32BE(0)) {
        const request = held.subarray(0, 4 + held.readInt32BE(0));
        held = held.subarray(request.length);
        const key = request.readInt16BE(4);
        socket.write(answerOf(answers[key] ?? Buffer.alloc(0), request, port));
        if (key === last) socket.end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as { port: number }).port;
  return {
    port,
    answer(next, lastKey) {
      answers = next;
      last = lastKey;
    },
    close: () => server.close(),
  };
}

/** With the correlation id of the request, where the script has 0 for it, and the right port. */
function answerOf(script: Buffer, request: Buffer, port: number): Buffer {
  const answer = Buffer.from(script);
  if (answer.length >= 8 && answer.readInt32BE(4) === 0) request.copy(answer, 4, 8, 12);
  const mark = Buffer.alloc(4);
  mark.writeInt32BE(portMark);
  const at = answer.indexOf(mark);
  if (at >= 0) answer.writeInt32BE(port, at);
  return answer;
}
