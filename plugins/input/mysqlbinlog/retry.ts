import { DbusError } from "#plugin";

export type Retry = { readonly afterMs: number };

/** How long the waits of a kind of failure are, in ms: they double from `min` to `max`. */
const waits = {
  quick: { min: 200, max: 30_000 },
  /** Two readers with one server id end each other: be the one that yields. */
  clash: { min: 5_000, max: 60_000 },
  /** A refused login counts against the host, which the server blocks after a hundred. */
  slow: { min: 30_000, max: 600_000 },
} as const;

/** A password may be rotated, a grant revoked and given back while we read. */
const healedByPeople = new Set(["MYSQL_ACCESS_DENIED", "MYSQL_GRANT", "MYSQL_TLS"]);
/** May have happened on the way: worth one more look at the same place. */
const onceAgain = new Set(["BINLOG_CHECKSUM", "BINLOG_CORRUPT", "MYSQL_EVENT_TOO_LARGE"]);

export type Retries = {
  /** What to do after a failure that came at `place` of the stream; undefined: give up. */
  next(error: DbusError, place: string): Retry | undefined;
  /** The stream has run well for so long. */
  ran(ms: number): void;
};

/**
 * What ends the input in place of what came twice at one place: were it of the kind that passes
 * by itself, the input would be started again for ever.
 */
export function givenUp(error: DbusError): DbusError {
  if (error.code !== "BINLOG_CHECKSUM") return error;
  const { place } = error;
  return new DbusError("BINLOG_CORRUPT", `${error.message}, twice in the same place`, {
    cause: error,
    remedy:
      "mysqlbinlog --verify-binlog-checksum on the server tells whether file or network is bad",
    ...(place === undefined ? {} : { place }),
  });
}

const quietMs = 10_000;

/** Exponential backoff with jitter of a half, begun anew after ten seconds of reading. */
export function createRetries(random: () => number = Math.random): Retries {
  let failures = 0;
  let kind: keyof typeof waits = "quick";
  let ranOnce = false;
  let lookedTwiceAt: string | undefined;

  /** Each kind grows by itself: a server that was away for long is not to make a login wait long. */
  function backoff(of: keyof typeof waits): Retry {
    if (of !== kind) failures = 0;
    kind = of;
    const { min, max } = waits[of];
    const whole = Math.min(max, min * 2 ** failures++);
    return { afterMs: Math.round(whole * (0.5 + random() / 2)) };
  }

  return {
    next(error, place) {
      if (error.code === "MYSQL_SERVER_ID_CLASH") return backoff("clash");
      if (onceAgain.has(error.code)) {
        if (lookedTwiceAt === place) return undefined;
        lookedTwiceAt = place;
        return backoff("quick");
      }
      if (error.kind === "retry") return backoff("quick");
      return ranOnce && healedByPeople.has(error.code) ? backoff("slow") : undefined;
    },
    ran(ms) {
      ranOnce = true;
      if (ms >= quietMs) failures = 0;
    },
  };
}
