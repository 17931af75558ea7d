import { seededRandom } from "#src/plugin/seeded-random.ts";

/** The statements behind `etc/quickstart/shop.binlog`: two days of a small shop, always the same. */
export function shopStatements(): string[] {
  const statements = [...tables];
  const random = seededRandom(7);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  let clock = Date.UTC(2026, 0, 5, 8, 0, 0) / 1000;
  const at = () => {
    clock += 20 + Math.floor(random() * 1700);
    statements.push(`SET timestamp = ${clock}.${100 + Math.floor(random() * 900)}`);
  };

  for (const [i, name] of names.entries()) {
    if (i % 4 === 0) at();
    const plain = name.normalize("NFD").replace(/[^a-zA-Z ]/g, "");
    const email = `${plain.split(" ")[0]!.toLowerCase()}@example.com`;
    statements.push(
      `INSERT INTO customers (email, name, created_at) VALUES ('${email}', '${name}', NOW(3))`,
    );
  }
  for (let order = 1; order <= 40; order++) {
    at();
    if (order === 25) statements.push(...alteration);
    const customer = 1 + Math.floor(random() * names.length);
    const goods = [pick(articles), pick(articles)].slice(0, 1 + Math.floor(random() * 2));
    const total = goods.reduce((sum, [, cents]) => sum + cents, 0);
    const lines = goods.map(([sku, cents]) => ({ sku, qty: 1, cents }));
    statements.push(
      "BEGIN",
      `INSERT INTO orders (customer_id, status, total, lines_json, placed_at) VALUES ` +
        `(${customer}, 'new', ${money(total)}, '${JSON.stringify(lines)}', NOW(3))`,
      `UPDATE customers SET orders = orders + 1 WHERE id = ${customer}`,
      "COMMIT",
    );
    statements.push(...afterwards(order, total, random()));
  }
  at();
  statements.push("UPDATE orders SET status = 'archived' WHERE status = 'shipped' AND id <= 20");
  statements.push("DELETE FROM customers WHERE orders = 0");
  return statements;
}

function money(cents: number): string {
  return (cents / 100).toFixed(2);
}

/** Most orders are paid and shipped, some are cancelled, some are deleted as tests. */
function afterwards(order: number, cents: number, luck: number): string[] {
  if (luck < 0.08) return [`DELETE FROM orders WHERE id = ${order}`];
  if (luck < 0.2) return [`UPDATE orders SET status = 'cancelled' WHERE id = ${order}`];
  const method = luck < 0.6 ? "card" : "transfer";
  const paid = [
    "BEGIN",
    `INSERT INTO payments (order_id, method, amount, reference) VALUES ` +
      `(${order}, '${method}', ${money(cents)}, UNHEX('${(order * 7919).toString(16).padStart(8, "0")}'))`,
    `UPDATE orders SET status = 'paid' WHERE id = ${order}`,
    "COMMIT",
  ];
  return luck < 0.4 ? paid : [...paid, `UPDATE orders SET status = 'shipped' WHERE id = ${order}`];
}

const names = [
  ..."Ada Brandt,Bela Kovács,Chloé Martin,Dmitri Orlov,Elif Şahin,Freja Holm,Giulia Conti".split(
    ",",
  ),
  ..."Haruki 田中,Inés Ortega,João Pereira,Katya Иванова,Liam Byrne".split(","),
];

const articles = [
  ["tea-assam-250", 1290],
  ["tea-sencha-100", 950],
  ["kettle-steel", 5900],
  ["cup-blue", 1450],
  ["cup-white", 1450],
  ["filter-paper-100", 420],
] as const;

const tables = [
  "CREATE DATABASE shop",
  "USE shop",
  "SET time_zone = '+00:00'",
  `CREATE TABLE customers (
    id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email varchar(120) NOT NULL,
    name varchar(80) NOT NULL,
    orders smallint unsigned NOT NULL DEFAULT 0,
    created_at datetime(3) NOT NULL
  ) CHARSET=utf8mb4`,
  `CREATE TABLE orders (
    id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    customer_id int unsigned NOT NULL,
    status enum('new','paid','shipped','cancelled','archived') NOT NULL,
    total decimal(12,2) NOT NULL,
    lines_json json NOT NULL,
    placed_at timestamp(3) NOT NULL
  ) CHARSET=utf8mb4`,
  `CREATE TABLE payments (
    id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id bigint unsigned NOT NULL,
    method enum('card','transfer') NOT NULL,
    amount decimal(12,2) NOT NULL,
    reference binary(4) NOT NULL
  ) CHARSET=utf8mb4`,
];

const alteration = [
  "ALTER TABLE customers ADD COLUMN phone varchar(32) NULL AFTER email",
  "UPDATE customers SET phone = CONCAT('+49 30 55501', id) WHERE id IN (1, 3, 5)",
];
