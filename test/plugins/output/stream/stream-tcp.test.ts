import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { streamOutput } from "#plugins/output/stream/stream-output.ts";
import type { Packet } from "#src/flow/packet.ts";
import { outputPluginContract } from "../../../contract/output-plugin.ts";
import { fakeOutputContext } from "../../../support/fake-context.ts";
import { samplePackets } from "../../../support/sample-packets.ts";
import { waitFor } from "../../../support/wait-for.ts";

/** A peer that collects what each connection sends. */
async function startPeer(port = 0) {
  const sockets: Socket[] = [];
  const texts: string[] = [];
  const server: Server = createServer((socket) => {
    const index = sockets.push(socket) - 1;
    texts[index] = "";
    socket.on("data", (chunk) => {
      texts[index] = `${texts[index]}${chunk}`;
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const peer = {
    port: (server.address() as { port: number }).port,
    sockets,
    texts,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  stops.push(peer.stop);
  return peer;
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop().catch(() => {});
});

const packet = (n: number): Packet => ({
  ident: "a",
  payload: { kind: "document", json: `{"n":${n}}` },
  position: n,
  bytes: 1,
});
async function opened(port: number, timeoutMs = 2000) {
  const output = fakeOutputContext();
  const config = streamOutput.configSchema.parse({
    connect: { host: "127.0.0.1", port, timeoutMs },
  });
  const state = await streamOutput.open(output.context, config);
  return {
    ...output,
    write: async (packets: readonly Packet[]) => streamOutput.write(state, packets, output.context),
    close: async () => streamOutput.close?.(state),
  };
}

describe("contract", async () => {
  const server = createServer((socket) => socket.resume().on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const { port } = server.address() as { port: number };
  const config = () => ({ connect: { host: "127.0.0.1", port } });
  outputPluginContract(streamOutput, { config, packets: samplePackets });
});

test("lines reach the peer in order", async () => {
  const peer = await startPeer();
  const out = await opened(peer.port);
  for (let n = 1; n <= 100; n++) expect(await out.write([packet(n)])).toBeUndefined();
  await out.close();
  const lines = await waitFor(() => peer.texts[0]?.split("\n").length === 101 && peer.texts[0], {
    what: "a hundred lines",
  });
  expect(
    lines
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).n),
  ).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
});

test("a peer that is not there is an error to try again, and is found when it is", async () => {
  const gone = await startPeer();
  await gone.stop();
  const out = await opened(gone.port);
  await expect(out.write([packet(1)])).rejects.toMatchObject({
    code: "STREAM_UNREACHABLE",
    kind: "retry",
  });
  expect(out.states.at(-1)).toContain("reconnecting");
  const peer = await startPeer(gone.port);
  expect(await out.write([packet(1)])).toBeUndefined();
  expect(out.states.at(-1)).toBeNull();
  await waitFor(() => peer.texts[0] === '{"n":1}\n', { what: "the line" });
  await out.close();
});

test("after the peer has closed the connection the next line goes over a new one, whole", async () => {
  const peer = await startPeer();
  const out = await opened(peer.port);
  await out.write([packet(1)]);
  await waitFor(() => peer.texts[0] === '{"n":1}\n', { what: "the first line" });
  peer.sockets[0]?.destroy();
  let n = 2;
  await waitFor(
    async () => {
      await out.write([packet(n++)]);
      return peer.sockets.length > 1;
    },
    { what: "a second connection" },
  );
  await waitFor(() => peer.texts[1]?.endsWith("}\n"), { what: "a line on it" });
  expect(peer.texts[1]).toMatch(/^(\{"n":\d+\}\n)+$/);
  await out.close();
});

test("a peer that reads nothing ends a write at its deadline, a stop at once", async () => {
  const peer = await startPeer();
  const large: Packet = { ...packet(1), payload: { kind: "text", text: "x".repeat(32 << 20) } };
  const out = await opened(peer.port, 200);
  await out.write([packet(1)]);
  await waitFor(() => peer.sockets.length === 1, { what: "the connection" });
  peer.sockets[0]?.pause();
  await expect(out.write([large])).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
  await out.close();

  const stopped = await opened(peer.port, 600_000);
  await stopped.write([packet(1)]);
  await waitFor(() => peer.sockets.length > 1, { what: "the other connection" });
  for (const socket of peer.sockets) socket.pause();
  const write = stopped.write([large]);
  stopped.abort();
  await expect(write).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
  await stopped.close();
});
