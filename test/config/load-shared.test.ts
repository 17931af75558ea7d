import { describe, expect, test } from "bun:test";
import { loadShared } from "#src/config/load-shared.ts";
import { fakeRegistry } from "./fake-plugins.ts";

const outputs = "outputs: [{name: out, plugin: FakeOutput, match: in}]\n";

function load(fields: string, { env = {}, withSecrets = true, cluster = "" } = {}) {
  const text = `inputs: [{name: in, plugin: FakeInput${fields}}]\n${outputs}${cluster}`;
  return loadShared("c.yaml", { registry: fakeRegistry, text, env, withSecrets });
}

describe("S4: what is shared holds no secret in the clear", () => {
  test.each([
    [", password: hunter2", "inputs[0].password"],
    [', password: "${PW:-hunter2}"', "inputs[0].password"],
    [', password: "x${PW}"', "inputs[0].password"],
    [", tls: {ca: x, key: hunter2}", "inputs[0].tls.key"],
    [", url: 'mysql://dbus:hunter2@db/shop'", "inputs[0].url"],
    [", url: 'https://hunter2@db/shop'", "inputs[0].url"],
    [", url: 'mysql://dbus:${PW}@db/shop?password=hunter2'", "inputs[0].url"],
  ])("%s is refused", async (fields, path) => {
    const { config, problems } = await load(fields, { env: { PW: "x" } });
    expect(config).toBeNull();
    expect(problems.map(({ code, place }) => [code, place.path, place.line])).toEqual([
      ["SECRET_IN_CLEAR", path, 1],
    ]);
    expect(JSON.stringify(problems)).not.toContain("hunter2");
  });

  test.each([
    ', password: "${PW}"',
    ', password: "${file:/run/secrets/pw}"',
    ", url: 'mysql://dbus:${PW}@db/shop'",
    ", url: 'mysql://${USER}:${PW}@db/shop'",
    ", url: 'mysql://db/shop?x=1'",
  ])("%s is not", async (fields) => {
    const { problems } = await load(fields, { env: { PW: "x", USER: "y" } });
    expect(problems.filter(({ code }) => code === "SECRET_IN_CLEAR")).toEqual([]);
  });

  test("a user's name may stand before the password of ZooKeeper", async () => {
    const cluster = (auth: string) => ({
      env: { PW: "x" },
      cluster: `cluster: {connect: zk, ${auth}}`,
    });
    expect((await load("", cluster("auth: 'dbus:${PW}'"))).problems).toEqual([]);
    expect((await load("", cluster("auth: 'dbus:hunter2'"))).problems).toMatchObject([
      { code: "SECRET_IN_CLEAR", place: { path: "cluster.auth" } },
    ]);
  });

  test("also beside what is wrong otherwise", async () => {
    const { problems } = await load(", password: hunter2", { cluster: "cluster: {weight: -1}\n" });
    expect(problems.map(({ code }) => code)).toContain("SECRET_IN_CLEAR");
  });
});

test("secrets that only the participants have are no fault where they are not", async () => {
  const there = await load(', password: "${PW}"', { withSecrets: true });
  expect(there.problems).toMatchObject([{ code: "SECRET_MISSING", severity: "error" }]);
  const here = await load(', password: "${PW}"', { withSecrets: false });
  expect(here.problems).toMatchObject([{ code: "SECRET_MISSING", severity: "warning" }]);
});
