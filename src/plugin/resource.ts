/** What an input reads and a cluster hands to one participant at a time. Never holds a secret. */
export type Resource = {
  /** Stable and safe in paths: `[a-z0-9._-]{1,63}`. */
  readonly id: string;
  /** For people, e.g. `mysql 127.0.0.1:3306`. */
  readonly label: string;
};
