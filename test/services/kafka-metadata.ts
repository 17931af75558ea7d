import { ask } from "./server-process.ts";

/**
 * Asks a broker which brokers are alive and returns their ids; empty while it knows no
 * controller. Metadata version 1, as the protocol guide of Kafka lays it out:
 *
 *     request  => size i32, key i16 = 3, version i16 = 1, correlation i32, client string, topics i32
 *     response => size i32, correlation i32, [id i32, host string, port i32, rack string?],
 *                 controller i32, ...
 */
export async function aliveBrokers(port: number, host?: string): Promise<number[]> {
  const answer = await ask(port, metadataRequest(), 12, host);
  let at = 8;
  const string = (): void => {
    const length = answer.readInt16BE(at);
    at += 2 + Math.max(0, length);
  };
  const count = answer.readInt32BE(at);
  at += 4;
  const ids: number[] = [];
  for (let index = 0; index < count; index++) {
    ids.push(answer.readInt32BE(at));
    at += 4;
    string();
    at += 4;
    string();
  }
  return answer.readInt32BE(at) < 0 ? [] : ids;
}

function metadataRequest(): Buffer {
  const client = "dbus-services";
  const bytes = Buffer.alloc(4 + 2 + 2 + 4 + 2 + client.length + 4);
  bytes.writeInt32BE(bytes.length - 4, 0);
  bytes.writeInt16BE(3, 4);
  bytes.writeInt16BE(1, 6);
  bytes.writeInt32BE(1, 8);
  bytes.writeInt16BE(client.length, 12);
  bytes.write(client, 14, "latin1");
  // No topics: an empty list means that none is asked for.
  bytes.writeInt32BE(0, 14 + client.length);
  return bytes;
}
