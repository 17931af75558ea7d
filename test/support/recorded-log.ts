import type { Log, LogFields, LogLevel } from "#src/log.ts";

export type LogEntry = {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
};

/** A log that a test can read. */
export type RecordedLog = { readonly log: Log; readonly entries: readonly LogEntry[] };

export function recordedLog(): RecordedLog {
  const entries: LogEntry[] = [];
  const bound = (base: LogFields): Log => {
    const at = (level: LogLevel) => (message: string, fields?: LogFields) =>
      void entries.push({ level, message, fields: { ...base, ...fields } });
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      with: (fields) => bound({ ...base, ...fields }),
    };
  };
  return { log: bound({}), entries };
}
