import { expect, test } from "bun:test";
import type { KafkaRecord } from "#src/clients/kafka/port.ts";
import {
  advance,
  bumpEpoch,
  partitionSequence,
  repeatedCount,
} from "#src/clients/kafka/producer/partition-sequence.ts";

const make = (value: string): KafkaRecord => ({ key: null, value, headers: [], timestamp: 0 });
const [a, b, c] = [make("a"), make("b"), make("c")];

test("sequence numbers go round from 2^31 - 1 to 0, as the broker counts", () => {
  expect(advance(2 ** 31 - 1, 1)).toBe(0);
  expect(advance(2 ** 31 - 2, 5)).toBe(3);
});

test("an unresolved batch is known again only by the very same records in front", () => {
  const state = partitionSequence(0);
  expect(repeatedCount(state, [a, b], 0)).toBe(0);
  state.unresolved = [a, b];
  expect(repeatedCount(state, [a, b, c], 0)).toBe(2);
  expect(repeatedCount(state, [c, a, b], 1)).toBe(2);
  expect(repeatedCount(state, [a], 0)).toBeUndefined();
  expect(repeatedCount(state, [a, make("b")], 0)).toBeUndefined();
  expect(repeatedCount(state, [b, a], 0)).toBeUndefined();
});

test("a new epoch starts at 0 and owes nothing", () => {
  const state = partitionSequence(4);
  state.next = 100;
  state.unresolved = [a];
  bumpEpoch(state);
  expect(state).toEqual({ epoch: 5, next: 0, unresolved: undefined });
});

test("an epoch above 32767 is a bug, not an overflow", () => {
  expect(() => bumpEpoch(partitionSequence(32767))).toThrow("32767");
});
