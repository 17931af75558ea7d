import { describe, expect } from "bun:test";
import { applyStatement } from "#src/clients/mysql/ddl/apply.ts";
import type { TableModel } from "#src/clients/mysql/ddl/table-model.ts";
import { describeTable } from "#src/clients/mysql/schema-query.ts";
import { type MysqlAddress, useServices } from "../services/index.ts";
import { freshDatabase } from "../support/mysql-client.ts";

const both = await useServices("mysql", "mariadb");

/** Statements that must be understood; after each of them we and the server must agree. */
const common = [
  `CREATE TABLE a (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20),
    n BIGINT, KEY (name), price DECIMAL(12,2) DEFAULT -1.5 COMMENT 'it''s, (odd)')`,
  "alter table a add column x int /* why, not */ not null default 0 after id",
  "ALTER TABLE a ADD (y TINYINT, z TINYINT(1) UNSIGNED), DROP COLUMN n",
  "ALTER TABLE `a` CHANGE `x` `größe` MEDIUMINT(5) ZEROFILL FIRST, RENAME COLUMN y TO yy",
  "ALTER TABLE a RENAME COLUMN yy TO z, RENAME COLUMN z TO yy",
  "ALTER TABLE a MODIFY price FLOAT UNSIGNED AFTER z, ALGORITHM=COPY, LOCK=SHARED",
  "ALTER TABLE a DROP PRIMARY KEY, MODIFY id INT, ADD CONSTRAINT pk PRIMARY KEY (name(10), id)",
  "ALTER TABLE a RENAME COLUMN id TO ident, ADD INDEX (ident), ALTER price SET DEFAULT 3",
  "ALTER TABLE a ENGINE=InnoDB COMMENT='c' ROW_FORMAT=DYNAMIC",
  "CREATE INDEX i ON a (price)",
  "DROP INDEX i ON a",
  "TRUNCATE TABLE a",
  `CREATE TABLE IF NOT EXISTS a (other INT)`,
  `CREATE TABLE types (
    a BOOL, b BOOLEAN NOT NULL, c SMALLINT, d INT(3), e INTEGER UNSIGNED, f DEC, g NUMERIC(5),
    h DOUBLE PRECISION, i FLOAT(30), j FLOAT(7,3), k BIT, l BIT(12), m YEAR, n DATE, o TIME(3),
    p DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, q TIMESTAMP(6) NULL,
    r CHAR, s CHARACTER(3), t CHARACTER VARYING(9), u BINARY(4), v VARBINARY(7), w TINYTEXT,
    x TEXT CHARACTER SET latin1, y MEDIUMTEXT COLLATE utf8mb4_bin, z LONGBLOB, aa BLOB,
    bb ENUM('r','g, b','it''s ') DEFAULT 'r', cc SET('x','y') CHARACTER SET latin1 NOT NULL,
    dd JSON, ee SERIAL, ff VARCHAR(5) CHARSET utf8mb3, gg FIXED(9,4) ZEROFILL,
    hh INT GENERATED ALWAYS AS (d + (1 * 2)) STORED, ii INT CHECK (ii > 0),
    jj CHAR(4) DEFAULT (CONCAT('a', ',', 'b')), kk VARCHAR(10) DEFAULT _latin1 'x',
    CONSTRAINT c1 UNIQUE (c), CONSTRAINT CHECK (c < 5), PRIMARY KEY (e, c) COMMENT 'key'
  ) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci`,
  "ALTER TABLE types ADD added VARCHAR(8) FIRST, DROP c, DROP CONSTRAINT c1, DROP PRIMARY KEY",
  "ALTER TABLE types DEFAULT CHARACTER SET utf8mb4",
  "ALTER TABLE types ADD more TEXT AFTER dd, ADD PRIMARY KEY (ee)",
  "CREATE TABLE copy LIKE types",
  "RENAME TABLE a TO old, copy TO a, types TO copy",
  "ALTER TABLE old RENAME TO older, ADD last INT",
  "DROP TABLE IF EXISTS copy, nothing_of_that_name",
  `CREATE TABLE figures (a POINT NOT NULL, b GEOMETRY, c LINESTRING, d POLYGON, e MULTIPOINT,
    f MULTILINESTRING, g MULTIPOLYGON, h GEOMETRYCOLLECTION, t TEXT)`,
  "CREATE TABLE part (id INT, PRIMARY KEY (id)) PARTITION BY HASH (id) PARTITIONS 2",
  "CREATE TABLE `we``ird, (` (`a,b` INT, `primary` INT, `key` INT, PRIMARY KEY (`a,b`))",
  "ALTER TABLE `we``ird, (` DROP `key`, CHANGE `a,b` `check` INT",
  "CREATE TEMPORARY TABLE tmp (id INT)",
  "CREATE TABLE sel (id INT PRIMARY KEY) /* plain comment */ -- to the end",
  "CREATE /*!40000 */ TABLE dump (id INT /*!40101 NOT NULL */, t TEXT) /*!40101 CHARSET=utf8mb4 */",
];

/** Statements that one kind of server has. */
const only = {
  mysql: [
    "CREATE TABLE vectors (a VECTOR, b VECTOR(3), c POINT NOT NULL SRID 4326, d GEOMCOLLECTION)",
    "ALTER TABLE older ADD v INT AS (last + 1) VIRTUAL, ADD INDEX ((last + 1))",
  ],
  mariadb: [
    "ALTER ONLINE TABLE older ADD COLUMN IF NOT EXISTS last INT, DROP COLUMN IF EXISTS no_such",
    "CREATE OR REPLACE TABLE sel (id INT, other TEXT)",
    "ALTER TABLE sel CHANGE COLUMN IF EXISTS other another LONGTEXT",
    "CREATE TABLE hidden (a UUID NOT NULL DEFAULT uuid() PRIMARY KEY, b INET6, c INET4)",
    "ALTER TABLE hidden MODIFY b BINARY(16), ADD d inet6 NOT NULL",
  ],
};

/** Statements after which we must say that we do not know, rather than something wrong. */
const beyond = [
  "ALTER TABLE older CONVERT TO CHARACTER SET latin1",
  "CREATE TABLE picked AS SELECT 1 AS one",
  "CREATE TABLE texts (t TEXT(100))",
  "CREATE TABLE esc (t VARCHAR(9) DEFAULT 'it\\'s')",
];

async function agree(at: MysqlAddress): Promise<void> {
  const { client, db } = await freshDatabase(at, "ddl");
  await client.query(`ALTER DATABASE ${db} CHARACTER SET utf8mb4`);
  await client.query(`USE ${db}`);
  const tables = new Map<string, TableModel>();
  const apply = (sql: string) =>
    applyStatement(sql, db, at.flavor, {
      known: (of, table) => (of === db ? tables.get(table) : undefined),
      absent: () => false,
    });

  for (const sql of [...common, ...only[at.flavor]]) {
    await client.query(sql);
    const changes = apply(sql)?.changes;
    if (changes === undefined) throw new Error(`not understood: ${sql}`);
    for (const { table, model } of changes) {
      if (model) tables.set(table, model);
      else tables.delete(table);
    }
    const listed = await client.query("SHOW TABLES");
    expect([...tables.keys()].sort()).toEqual(
      listed.map((row) => String(Object.values(row)[0])).sort(),
    );
    for (const [table, model] of tables) {
      const real = (await describeTable(client, db, table))?.model;
      const columns = model.columns.map((column) => ({
        ...{ name: column.name, type: column.type },
        charset: column.charset === undefined ? "utf8mb4" : column.charset,
        nullable:
          column.nullable ?? real?.columns.find(({ name }) => name === column.name)?.nullable,
      }));
      expect([sql, table, columns]).toEqual([sql, table, real?.columns as never]);
      expect([sql, table, model.primaryKey]).toEqual([sql, table, real?.primaryKey as never]);
    }
  }
  for (const sql of beyond) {
    await client.query(sql);
    expect([sql, apply(sql)]).toEqual([sql, undefined]);
  }
  client.close();
}

describe("statements that make and alter tables", () => {
  both.test("are read as MySQL runs them", ({ mysql }) => agree(mysql));
  both.test("are read as MariaDB runs them", ({ mariadb }) => agree(mariadb));
});
