import { expect, test } from "bun:test";
import { recordOf } from "#plugin";
import { packetMaker } from "#plugins/input/kafka/packets.ts";

const place = { topic: "orders", partition: 2, topicId: "id", leaderEpoch: 5, partitions: 4 };
const read = {
  offset: 7,
  timestamp: 1_700_000_000_000,
  key: Buffer.from("k"),
  value: Buffer.from('"v"'),
  headers: [],
};

for (const format of ["bytes", "text", "json"] as const) {
  test(`a record read as ${format} says where it stood, and in which cluster where that is known`, () => {
    const { key, headers, timestamp, offset } = read;
    const frame = { key, headers, timestamp, partition: 2, offset, partitions: 4 };
    const known = recordOf(packetMaker(format, "one")(read, place).packet.payload);
    expect(known).toMatchObject({ ...frame, cluster: "one" });
    const unknown = recordOf(packetMaker(format)(read, place).packet.payload);
    expect(unknown).toMatchObject(frame);
    expect(unknown).not.toContainKey("cluster");
  });
}
