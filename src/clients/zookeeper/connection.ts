import { connect as connectTcp, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type PeerCertificate } from "node:tls";
import type { Clock } from "../../clock.ts";
import { DbusError, toDbusError } from "../../errors.ts";
import type { ZkHost } from "./address.ts";
import { createFrameReader, createJuteReader, createJuteWriter } from "./jute.ts";
import { type Hello, readWelcome, writeHello } from "./records.ts";

export type ZkTls = {
  /** PEM of the authorities that are believed; the system's unless told. */
  readonly ca?: string | undefined;
  /** PEM of our own certificate and key, where the server wants one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
};

/** One connection to one server, after the handshake. */
export type ZkConnection = {
  readonly where: string;
  readonly welcome: Omit<Hello, "lastZxid">;
  send(frame: Uint8Array): void;
  /** Ends it at once, without a word. Safe to call twice. */
  close(): void;
};

export type ZkConnectOptions = {
  readonly hello: Hello;
  readonly tls: ZkTls | undefined;
  readonly clock: Clock;
  /** For the connection, TLS and the handshake together, in ms. */
  readonly timeoutMs: number;
  /** Whole frames, in order. Throwing ends the connection. */
  readonly onFrame: (frame: Buffer) => void;
  /** Any byte has come. */
  readonly onHeard: () => void;
  /** Told once of the end of a connection that was made. */
  readonly onClosed: (error: DbusError) => void;
};

/** The children of a node with a hundred thousand of them. Requests are bounded by the server. */
const frameBytesMax = 16 * 1024 * 1024;

/**
 * Connects and says hello. Rejects with ZOOKEEPER_UNREACHABLE, ZOOKEEPER_TLS, ZOOKEEPER_PROTOCOL.
 * The name is resolved anew at each call.
 */
export function connectZookeeper(at: ZkHost, options: ZkConnectOptions): Promise<ZkConnection> {
  const where = `${at.host}:${at.port}`;
  const socket = open(at, options.tls);
  const cut = createFrameReader(frameBytesMax);
  const { promise, resolve, reject } = Promise.withResolvers<ZkConnection>();
  let made = false;
  let ended = false;
  const timer = options.clock.after(options.timeoutMs, () => {
    end(new DbusError("ZOOKEEPER_UNREACHABLE", `${where}: no welcome in ${options.timeoutMs} ms`));
  });

  function end(error: DbusError): void {
    if (ended) return;
    ended = true;
    timer.cancel();
    socket.destroy();
    if (made) options.onClosed(error);
    else reject(error);
  }

  function onFrame(frame: Buffer): void {
    if (ended) return;
    if (made) {
      options.onFrame(frame);
      return;
    }
    const welcome = readWelcome(createJuteReader(frame));
    made = true;
    timer.cancel();
    const send = (bytes: Uint8Array) => void socket.write(bytes);
    const close = () => {
      ended = true;
      socket.destroy();
    };
    resolve({ where, welcome, send, close });
  }

  socket.setNoDelay(true);
  socket.on(options.tls ? "secureConnect" : "connect", () => {
    const out = createJuteWriter();
    writeHello(out, options.hello);
    socket.write(out.frame());
  });
  socket.on("data", (chunk: Buffer) => {
    if (ended) return;
    options.onHeard();
    try {
      for (const frame of cut(chunk)) onFrame(frame);
    } catch (thrown) {
      end(toDbusError(thrown, "ZOOKEEPER_PROTOCOL"));
    }
  });
  socket.on("error", (cause: Error & { code?: string }) => end(socketError(where, cause)));
  socket.on("close", () => {
    end(new DbusError("ZOOKEEPER_UNREACHABLE", `${where}: the server closed the connection`));
  });
  return promise;
}

function open({ host, port }: ZkHost, tls: ZkTls | undefined): Socket {
  if (!tls) return connectTcp({ host, port });
  const own = Object.fromEntries(Object.entries(tls).filter(([, pem]) => pem !== undefined));
  // An address is no server name (RFC 6066), but the certificate must name it all the same.
  const name = isIP(host) === 0 ? { servername: host } : {};
  const identity = (_: string, cert: PeerCertificate) => checkServerIdentity(host, cert);
  const safe = { minVersion: "TLSv1.2", checkServerIdentity: identity } as const;
  return connectTls({ host, port, ...name, ...safe, ...own });
}

function socketError(where: string, cause: Error & { code?: string }): DbusError {
  const code = cause.code ?? "";
  const isTls = /CERT|VERIFY|SELF_SIGNED|ALTNAME|SSL|TLS|ISSUER/.test(code);
  const which = isTls ? "ZOOKEEPER_TLS" : "ZOOKEEPER_UNREACHABLE";
  return new DbusError(which, `${where}: ${cause.message || code}`, { cause });
}
