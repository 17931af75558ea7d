/** Where lines go. A sink is used by one writer at a time. */
export type Sink = {
  /**
   * Writes some lines, all of them or none as far as a reader of whole lines can tell. Throws
   * `STREAM_UNWRITABLE` or `STREAM_UNREACHABLE`; then it may be called with the same lines again.
   */
  write(lines: Buffer): Promise<void>;
  /** How many bytes may still be written before the sink would rather begin anew; 0 is full. */
  room(): number;
  /** Begins anew; called when the next line does not fit into the room. */
  rotate(): Promise<void>;
  close(): Promise<void>;
};
