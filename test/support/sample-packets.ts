import {
  JsonText,
  type Packet,
  type Payload,
  type RowChange,
  type Table,
} from "#src/flow/packet.ts";

const column = (name: string) =>
  ({ name, kind: "text", type: "varchar(20)", nullable: true }) as const;

export const sampleTable: Table = {
  db: "shop",
  name: "orders; DROP TABLE x; --",
  columns: ["id", "name", "price", "raw", "data", "__proto__", "missing"].map(column),
  primaryKey: [0],
};

const values = [
  18446744073709551615n,
  "Zoë \u0000\u2028\ud83d\ude00 \ud800",
  "0.10",
  Uint8Array.of(0, 127, 128, 255),
  new JsonText('{"a":1.10,"b":12345678901234567890}'),
  -0,
  undefined,
];

export const sampleRow: RowChange = {
  kind: "row",
  op: "U",
  table: sampleTable,
  before: values,
  after: values.map((value, i) => (i === 1 ? null : value)),
  txn: { gtid: undefined, serverId: 1 },
  ordinal: 3,
  log: "binlog.000001",
  pos: 4_294_967_296,
  ts: 1_700_000_000,
};

const payloads: readonly Payload[] = [
  sampleRow,
  { ...sampleRow, op: "I", before: undefined, txn: { gtid: "0-1-5", serverId: 4294967295 } },
  { ...sampleRow, op: "D", after: undefined },
  { kind: "text", text: "Mär 3 10:00:01 mail postfix[1]: \u001b[31mred" },
  { kind: "document", json: '{"n":18446744073709551615,"$":["n","1"]}' },
  {
    kind: "bytes",
    key: null,
    value: null,
    headers: [
      ["__proto__", "x"],
      ["$", "y"],
      ["$", null],
    ],
    timestamp: 0,
  },
  {
    kind: "bytes",
    key: Uint8Array.of(),
    value: Uint8Array.from({ length: 256 }, (_, i) => i),
    headers: [["bin", Uint8Array.of(1)]],
    timestamp: undefined,
  },
];

/** A packet of each kind, with the values that are easiest to lose. */
export const samplePackets: readonly Packet[] = payloads.map((payload, i) => ({
  ident: `shop.orders.${i}`,
  payload,
  position: { file: "binlog.000001", pos: i, list: [null, "x"] },
  bytes: 100 + i,
}));
