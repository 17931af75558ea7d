/**
 * What the system does with an error: `retry` may succeed later by itself, `fatal` needs a person,
 * `fence` means that somebody newer owns the work, `bug` is a broken invariant of dbus itself.
 */
export type ErrorKind = "retry" | "fatal" | "fence" | "bug";

type Entry = { readonly kind: ErrorKind; readonly summary: string; readonly remedy: string };

/** The closed table of codes. `docs/errors.md` is made from it. Grouped by area, one line an idea. */
const table = {
  INVARIANT: {
    kind: "bug",
    summary: "an invariant of dbus does not hold",
    remedy: "report it with the log; the actor restarts from what was not acked",
  },
  INTERNAL: {
    kind: "bug",
    summary: "an error without a code of its own",
    remedy: "report it with the log",
  },
  // Configuration and start.
  CONFIG_NOT_FOUND: {
    kind: "fatal",
    summary: "the configuration file cannot be read",
    remedy: "name a readable file: dbusd path/to/config.yaml",
  },
  CONFIG_SYNTAX: {
    kind: "fatal",
    summary: "the configuration is not valid YAML",
    remedy: "mend the line that is named; YAML indents with spaces, never with tabs",
  },
  CONFIG_INVALID: {
    kind: "fatal",
    summary: "the configuration does not fit its schema",
    remedy: "mend the places that are named; dbusd --schema prints what is allowed",
  },
  CONFIG_GRAPH: {
    kind: "fatal",
    summary: "the pipeline is not a connected acyclic graph",
    remedy: "mend the names and matches that are named",
  },
  SECRET_MISSING: {
    kind: "fatal",
    summary: "a referenced environment variable or file is not there",
    remedy: "set the variable or create the file, then start again",
  },
  PLUGIN_UNKNOWN: {
    kind: "fatal",
    summary: "no plugin of that name",
    remedy: "dbc plugins lists the names; a file is named by a path that starts with ./",
  },
  PLUGIN_LOAD: {
    kind: "fatal",
    summary: "a plugin file cannot be loaded",
    remedy:
      "mend the file; it must export one value made by defineInput, defineFilter or defineOutput",
  },
  USAGE: {
    kind: "fatal",
    summary: "the command line is not understood",
    remedy: "add --help to see what is",
  },
  ADMIN_UNSAFE: {
    kind: "fatal",
    summary: "the admin API would be reachable from other machines without a token",
    remedy: "listen on 127.0.0.1, or set admin.token",
  },
  ADMIN_LISTEN: {
    kind: "fatal",
    summary: "the admin API cannot listen on its port",
    remedy: "free the port or set admin.port",
  },
  DAEMON_UNREACHABLE: {
    kind: "retry",
    summary: "no daemon answers at that address",
    remedy: "start dbusd, or name its address with --admin",
  },
  // State.
  STATE_LOCKED: {
    kind: "fatal",
    summary: "another process holds the data folder",
    remedy: "stop the other dbusd, or give this one its own state.dir",
  },
  STATE_UNWRITABLE: {
    kind: "fatal",
    summary: "the data folder cannot be written",
    remedy: "check the path, its permissions and the free space of state.dir",
  },
  STATE_CORRUPT: {
    kind: "fatal",
    summary: "the state file is damaged",
    remedy: "restore it from a backup, or set the checkpoint anew with dbc checkpoint set",
  },
  STALE_EPOCH: {
    kind: "fence",
    summary: "a newer owner has taken this resource",
    remedy: "nothing: this process stops reading it",
  },
  CHECKPOINT_CORRUPT: {
    kind: "fatal",
    summary: "a stored checkpoint cannot be read",
    remedy: "look at it with dbc checkpoint get, then dbc checkpoint set or reset",
  },
  // The bus.
  UNROUTED: {
    kind: "fatal",
    summary: "a packet has an ident that nothing matches",
    remedy: "add a match for it, or set bus.onUnrouted: drop",
  },
  OUTPUT_REJECTED: {
    kind: "fatal",
    summary: "the output refused a packet for good",
    remedy: "look at it with dbc deadletters show, then redrive it",
  },
  FILTER_FAILED: {
    kind: "fatal",
    summary: "a filter threw on a packet",
    remedy: "look at the packet in the dead letters; mend the filter or its input",
  },
  PACKET_INVALID: {
    kind: "fatal",
    summary: "a plugin emitted something that is not a packet",
    remedy: "mend the plugin; its contract test shows what is expected",
  },
  STOP_DEADLINE: {
    kind: "retry",
    summary: "not everything was acked before the stop's deadline",
    remedy: "nothing: what was not acked is read again at the next start",
  },
  ACTOR_INTENSITY: {
    kind: "fatal",
    summary: "an actor failed more often than its supervisor allows",
    remedy: "mend the cause named in its last error",
  },
  ACTOR_UNAVAILABLE: {
    kind: "retry",
    summary: "the actor is not running now",
    remedy: "try again when dbc supervisor shows it running",
  },
  NOT_FOUND: {
    kind: "fatal",
    summary: "nothing of that name or number",
    remedy: "list what there is with dbc status",
  },
  REQUEST_INVALID: {
    kind: "fatal",
    summary: "the request is not valid",
    remedy: "the OpenAPI document at /api/v1/openapi.json says what is",
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof table;

/** Every code with its kind, summary and remedy. */
export const errorTable: Readonly<Record<ErrorCode, Entry>> = table;

/** Where an error is: a file with line and column, a config path, an actor, a position. */
export type Place = {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly path?: string | undefined;
};

export type DbusErrorOptions = {
  readonly cause?: unknown;
  readonly place?: Place;
  /** Overrides the table's remedy when a better one is known, e.g. the exact SQL statement. */
  readonly remedy?: string;
};

/** The only error that crosses a module border. Its message never contains a secret or row data. */
export class DbusError extends Error {
  readonly code: ErrorCode;
  readonly place: Place | undefined;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, options: DbusErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "DbusError";
    this.code = code;
    this.place = options.place;
    this.remedy = options.remedy ?? table[code].remedy;
  }

  get kind(): ErrorKind {
    return table[this.code].kind;
  }

  toJSON(): { code: ErrorCode; kind: ErrorKind; message: string; place?: Place; remedy: string } {
    const { code, kind, message, place, remedy } = this;
    return place ? { code, kind, message, place, remedy } : { code, kind, message, remedy };
  }
}

/** Turns whatever was thrown into a `DbusError`; what has no code of its own is `INTERNAL`. */
export function toDbusError(thrown: unknown, code: ErrorCode = "INTERNAL"): DbusError {
  if (thrown instanceof DbusError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new DbusError(code, message, { cause: thrown });
}
