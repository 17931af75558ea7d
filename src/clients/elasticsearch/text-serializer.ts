/** What Elastic's client asks of its serializer. */
type Serializer = {
  serialize(value: unknown): string;
  deserialize(text: string): unknown;
  ndserialize(values: unknown): unknown;
  qserialize(query: unknown): string;
};

/**
 * Answers stay text: a version above 2^53 would lose digits as a number, and most answers to a bulk
 * need no parsing at all. A function that returns an object may be called with `new`, as the client
 * does it.
 */
export const createTextSerializer = function textSerializer(): Serializer {
  return {
    serialize: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
    deserialize: (text) => text,
    ndserialize: (values) => values,
    qserialize: (query) => (typeof query === "string" ? query : ""),
  };
};
