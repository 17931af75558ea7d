/** The byte before a value. What none of them is for is JSON, tagged as in `packet-codec.ts`. */
export const TAG = {
  null: 0,
  undefined: 1,
  /** A whole number from 0 on, as a count; and one below 0, as the count of its amount. */
  whole: 2,
  negative: 3,
  /** Eight bytes, little-endian. */
  float: 4,
  /** A length in bytes, and UTF-8. */
  text: 5,
  /** A length, and that many bytes. */
  bytes: 6,
  /** One that fits a count; any other one as text. */
  bigint: 7,
  bigintText: 8,
  /** JsonText. */
  json: 9,
  other: 10,
} as const;
