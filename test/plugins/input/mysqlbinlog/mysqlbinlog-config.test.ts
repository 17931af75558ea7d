import { describe, expect, test } from "bun:test";
import {
  flavorOf,
  type MysqlbinlogConfig,
  mysqlbinlogConfigSchema,
  patternsOf,
  targetOf,
} from "#plugins/input/mysqlbinlog/mysqlbinlog-config.ts";
import { mysqlbinlogInput } from "#plugins/input/mysqlbinlog/mysqlbinlog-input.ts";
import { pluginSchemaContract } from "../../../contract/plugin-schema.ts";

pluginSchemaContract(mysqlbinlogInput, { host: "127.0.0.1", user: "dbus", tables: ["shop.*"] });

const parse = (config: object): MysqlbinlogConfig => mysqlbinlogConfigSchema.parse(config);
const issuesOf = (config: object) =>
  mysqlbinlogConfigSchema
    .safeParse(config)
    .error?.issues.map((issue) => [issue.path[0], issue.message]);

describe("config", () => {
  test("a dsn holds address, account, database and TLS", () => {
    const config = parse({
      dsn: "mysql://a%40b:p%3Aw%25@db.example:3307/shop?tls=verify-ca&tlsCa=/ca",
    });
    expect(targetOf(config)).toMatchObject({
      ...{ host: "db.example", port: 3307, user: "a@b", password: "p:w%" },
      ...{ tls: "verify-ca", tlsCa: "/ca" },
    });
    expect(patternsOf(config).databases.include).toEqual(["shop"]);
    expect(patternsOf(parse({ ...config, tables: ["crm.*"] })).databases.include).toEqual(["*"]);
    expect(flavorOf(parse({ dsn: "mariadb://u@h" }))).toBe("mariadb");
    expect(targetOf(parse({ dsn: "mysql://u@[::1]" }))).toMatchObject({ host: "::1", port: 3306 });
  });

  test("TLS is verified in full by default, except on loopback", () => {
    const tls = (host: string) => targetOf(parse({ host, user: "u" })).tls;
    expect(tls("db.example")).toBe("verify-full");
    expect(tls("10.0.0.1")).toBe("verify-full");
    expect(tls("127.example.com")).toBe("verify-full");
    expect(["127.0.0.1", "localhost", "::1"].map(tls)).toEqual(["disable", "disable", "disable"]);
  });

  test("what is wrong is said without showing the password", () => {
    expect(issuesOf({})).toEqual([["user", "user or dsn is missing"]]);
    expect(issuesOf({ host: "h" })).toEqual([["user", "user or dsn is missing"]]);
    expect(issuesOf({ dsn: "mysql://u:canary@h", host: "h" })?.[0]?.[0]).toBe("host");
    for (const dsn of [
      ...["postgres://u:canary@h", "canary", "mysql://:canary@h", "mysql://u:canary@", "mysql://"],
      ...["mysql://u:canary%zz@h", "mysql://u:canary@h?ssl=1", "mysql://u:canary@h?tls=maybe"],
      "mysql://u:canary@h:99999",
    ]) {
      const issues = issuesOf({ dsn });
      expect(issues?.map(([path]) => path)).toEqual(["dsn"]);
      expect(JSON.stringify(issues)).not.toContain("canary");
    }
    expect(issuesOf({ user: "u", tables: ["orders"] })?.[0]?.[0]).toBe("tables");
    expect(issuesOf({ user: "u", serverId: 0 })?.[0]?.[0]).toBe("serverId");
    expect(issuesOf({ user: "u", start: "tomorrow" })?.[0]?.[0]).toBe("start");
  });

  test("the resource is the address, safe in paths, and never a secret", () => {
    const id = (config: object) => mysqlbinlogInput.resources?.(parse(config))[0]?.id ?? "";
    expect(id({ dsn: "mysql://u:canary@127.0.0.1:3306/shop" })).toBe("mysql-127.0.0.1-3306");
    expect(id({ host: "::1", user: "u" })).toBe("mysql---1-3306".replace("--", "-"));
    const long = id({ host: `${"very-long.".repeat(12)}example`, user: "u", port: 65_535 });
    expect(long).toMatch(/^[a-z0-9._-]{1,63}$/);
    expect(long).not.toBe(
      id({ host: `${"very-long.".repeat(12)}example2`, user: "u", port: 65_535 }),
    );
  });
});
