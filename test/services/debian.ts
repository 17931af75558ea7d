import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { command } from "./command.ts";
import { progress } from "./progress.ts";
import { systemTool } from "./system-tools.ts";

/** A tree of unpacked Debian packages that runs on its own loader and libraries. */
export type DebianRoot = { readonly root: string; readonly loader: readonly string[] };

const archs = {
  x64: { triplet: "x86_64-linux-gnu", loader: "lib64/ld-linux-x86-64.so.2" },
  arm64: { triplet: "aarch64-linux-gnu", loader: "lib/ld-linux-aarch64.so.1" },
} as const;

/**
 * Unpacks packages of a Debian suite, and all that they depend on, into the cache folder `name`.
 * Nothing is installed and no root is needed. Their libc may be newer than the machine's, so
 * programs are started through `loader`, which is the head of the command line.
 */
export async function debianRoot(
  name: string,
  suite: string,
  packages: readonly string[],
): Promise<DebianRoot> {
  const arch = process.arch === "x64" || process.arch === "arm64" ? archs[process.arch] : undefined;
  if (process.platform !== "linux" || arch === undefined) {
    throw new Error(`${name} comes as Debian packages: Linux on x64 or arm64 is needed`);
  }
  const root = await cached(name, async (dir) => unpack(name, suite, packages, dir));
  const libraries = `${root}/usr/lib/${arch.triplet}:${root}/lib/${arch.triplet}`;
  // Since bookworm's successor libc is packaged under /usr alone.
  const under = existsSync(join(root, "usr", arch.loader)) ? "usr" : "";
  return { root, loader: [join(root, under, arch.loader), "--library-path", libraries] };
}

async function unpack(
  name: string,
  suite: string,
  packages: readonly string[],
  dir: string,
): Promise<void> {
  await systemTool("dpkg-deb");
  const apt = join(dir, "apt");
  const archives = join(apt, "cache/archives");
  for (const folder of ["lists/partial", "cache/archives/partial", "parts"]) {
    await mkdir(join(apt, folder), { recursive: true });
  }
  await writeAptConfig(apt, suite);
  const run = (what: string, watch: string, ...args: string[]) =>
    command(["apt-get", "-c", join(apt, "apt.conf"), ...args], { what, watch });
  await run(`${name}: package list of Debian ${suite}`, join(apt, "lists"), "update");
  await run(
    `${name}: downloading ${packages.join(" ")}`,
    archives,
    ...["install", "-y", "--download-only", "--no-install-recommends", ...packages],
  );
  const debs = (await readdir(archives)).filter((file) => file.endsWith(".deb"));
  progress(`${name}: unpacking ${debs.length} packages`);
  for (const deb of debs) await command(["dpkg-deb", "-x", join(archives, deb), dir]);
  await rm(apt, { recursive: true, force: true });
}

/** A configuration of its own, so that apt neither reads nor changes what the machine has. */
async function writeAptConfig(apt: string, suite: string): Promise<void> {
  const mirror = await debianMirror();
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  await Bun.write(
    join(apt, "sources.list"),
    `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`,
  );
  await Bun.write(join(apt, "status"), "");
  const lines = [
    `#clear APT::Update::Post-Invoke;`,
    `#clear APT::Update::Post-Invoke-Success;`,
    `#clear DPkg::Post-Invoke;`,
    `#clear DPkg::Pre-Install-Pkgs;`,
    `#clear Acquire::IndexTargets::deb::DEP-11;`,
    `Dir::Etc::sourcelist "${apt}/sources.list";`,
    `Dir::Etc::sourceparts "${apt}/parts";`,
    `Dir::Etc::preferencesparts "${apt}/parts";`,
    `Dir::State "${apt}";`,
    `Dir::State::lists "${apt}/lists";`,
    `Dir::State::status "${apt}/status";`,
    `Dir::Cache "${apt}/cache";`,
    `Dir::Log "${apt}";`,
    `APT::Sandbox::User "";`,
    `APT::Install-Recommends "false";`,
    // A mirror that lags is good enough for a test's server; signatures are checked all the same.
    `Acquire::Check-Valid-Until "false";`,
    `Acquire::Languages "none";`,
    `Acquire::Retries "3";`,
  ];
  await Bun.write(join(apt, "apt.conf"), `${lines.join("\n")}\n`);
}

/** The mirror that the machine itself uses, read from its apt sources. */
async function debianMirror(): Promise<string> {
  const chosen = process.env.DBUS_DEBIAN_MIRROR;
  if (chosen) return chosen;
  const files = ["/etc/apt/sources.list"];
  for (const name of await readdir("/etc/apt/sources.list.d").catch(() => [])) {
    files.push(`/etc/apt/sources.list.d/${name}`);
  }
  for (const path of files) {
    const text = await Bun.file(path)
      .text()
      .catch(() => "");
    // The archive's root ends in /debian; /debian-security does not carry whole suites.
    const uri = /^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(\S+\/debian\/?)(?:\s|$)/m.exec(text)?.[1];
    if (uri !== undefined) return uri;
  }
  throw new Error(
    "no Debian mirror in this machine's apt sources. Set DBUS_DEBIAN_MIRROR to the address of " +
      "one, or point DBUS_TEST_MYSQL or DBUS_TEST_MARIADB (host:port) at a server of your own",
  );
}
