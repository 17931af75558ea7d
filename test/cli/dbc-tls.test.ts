import { afterAll, expect, test } from "bun:test";
import { type AdminServer, serveAdmin } from "#src/api/serve.ts";
import { adminUrl } from "#src/cli/client.ts";
import { runDbc } from "#src/cli/dbc.ts";
import { silentLog } from "#src/log.ts";
import { fakePort } from "../api/fake-port.ts";
import { command } from "../services/command.ts";
import { adminConfig } from "../support/admin-config.ts";
import { type Certificate, makeAuthority } from "../support/certificates.ts";
import { tempDir } from "../support/temp-dir.ts";

const token = "canary-token-0123456789";
const dir = tempDir("dbc-tls");
const authority = await makeAuthority(dir);
const servers: AdminServer[] = [];
afterAll(() => Promise.all(servers.map((server) => server.stop())));

async function serve(tls: Certificate): Promise<string> {
  const server = await serveAdmin(adminConfig({ token, tls }), fakePort(), silentLog);
  servers.push(server);
  return server.url;
}

async function dbc(admin: string, args: string[], env: Record<string, string> = {}) {
  let said = "";
  const write = (text: string) => {
    said += text;
  };
  const io = { out: write, err: write, terminal: false, signal: new AbortController().signal };
  const code = await runDbc(["status", "--admin", admin, ...args], {
    ...io,
    env: { DBUS_TOKEN: token, ...env },
  });
  return { code, said };
}

test("S5: dbc believes the authority that it is given, and no other", async () => {
  const url = await serve(await authority.issue("right"));
  const other = await makeAuthority(dir, "other");
  expect((await dbc(url, ["--ca", authority.caFile])).code).toBe(0);
  expect((await dbc(url, [], { DBUS_CA: authority.caFile })).code).toBe(0);
  expect((await dbc(new URL(url).host, ["--ca", authority.caFile])).code).toBe(0);
  for (const args of [[], ["--ca", other.caFile]]) {
    const { code, said } = await dbc(url, args);
    expect(code).toBe(5);
    expect(said).toContain("--ca FILE");
    expect(said).not.toContain(token);
  }
});

test.each([
  ["has expired", { expired: true }, "CERT_HAS_EXPIRED"],
  ["is for another host", { san: "DNS:db.example" }, "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["is for another address", { san: "IP:127.0.0.2" }, "ERR_TLS_CERT_ALTNAME_INVALID"],
] as const)("S5: dbc speaks to no daemon whose certificate %s", async (what, options, why) => {
  const url = await serve(await authority.issue(what.replaceAll(" ", "-"), options));
  const { code, said } = await dbc(url, ["--ca", authority.caFile]);
  expect(said).toContain(why);
  expect(code).toBe(5);
});

test("S5: dbc speaks TLS to no daemon that has none, and says what it tried", async () => {
  const server = await serveAdmin(adminConfig({ token }), fakePort(), silentLog);
  servers.push(server);
  const { code, said } = await dbc(new URL(server.url).host, ["--ca", authority.caFile]);
  expect(code).toBe(5);
  expect(said).toContain("https://127.0.0.1");
});

test("S5: the admin API takes TLS 1.2 and 1.3, and nothing older", async () => {
  const url = await serve(await authority.issue("versions"));
  const shake = (version: string) =>
    command(
      [
        ...["openssl", "s_client", "-connect", new URL(url).host, "-CAfile", authority.caFile],
        ...["-verify_return_error", "-cipher", "ALL:@SECLEVEL=0", version],
      ],
      { stdin: new Uint8Array() },
    );
  expect(await shake("-tls1_2")).toContain("Verify return code: 0");
  expect(await shake("-tls1_3")).toContain("Verify return code: 0");
  for (const old of ["-tls1", "-tls1_1"]) {
    await expect(shake(old)).rejects.toThrow(/protocol version|unsupported protocol/);
  }
});

test("--ca means https where the address does not say", () => {
  expect(adminUrl("127.0.0.1:9876", "https")).toBe("https://127.0.0.1:9876");
  expect(adminUrl("http://127.0.0.1:9876", "https")).toBe("http://127.0.0.1:9876");
});

test("a file of --ca that is not there is said to be so", async () => {
  const { code, said } = await dbc("127.0.0.1:1", ["--ca", "/nowhere/ca.pem"]);
  expect([code, said.includes("/nowhere/ca.pem")]).toEqual([2, true]);
});
