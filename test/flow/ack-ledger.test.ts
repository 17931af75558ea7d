import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createAckLedger, type Tracker } from "#src/flow/ack-ledger.ts";
import { DEADLETTERED, DELIVERED } from "#src/flow/outcome.ts";
import type { Packet } from "#src/flow/packet.ts";
import { packetOf } from "../support/packets.ts";

const window = { packets: 8, bytes: 1_000 };
const packets = (count: number, from = 1): Packet[] =>
  Array.from({ length: count }, (_, i) => packetOf("in", from + i));

function ledgerWith(count: number) {
  const ledger = createAckLedger({ window, onRoom() {} });
  ledger.admit(packets(count), 0, count);
  return ledger;
}

describe("ack ledger", () => {
  test("a success that overtakes does not move the watermark past what is open (invariant 1)", () => {
    const ledger = ledgerWith(5);
    for (const seq of [0, 1, 3, 4]) ledger.settle(seq, DELIVERED);
    expect(ledger.watermark()).toBe(2);
    ledger.settle(2, DEADLETTERED);
    expect(ledger.watermark()).toBe(5);
    expect(ledger.inFlight).toBe(0);
    expect(ledger.inFlightBytes).toBe(0);
  });

  test("a forked packet is settled by the last of its copies only", () => {
    const ledger = ledgerWith(1);
    ledger.forkRange(0, 1, 3);
    for (let i = 0; i < 3; i++) {
      ledger.settle(0, DELIVERED);
      expect(ledger.watermark()).toBeUndefined();
    }
    ledger.settle(0, DELIVERED);
    expect(ledger.watermark()).toBe(1);
  });

  test("a second ack of the same copy throws (invariant 2)", () => {
    const ledger = ledgerWith(2);
    ledger.settle(1, DELIVERED);
    expect(() => ledger.settle(1, DELIVERED)).toThrow("settled twice");
    expect(() => ledger.settle(7, DELIVERED)).toThrow("settled twice");
  });

  test("the window bounds packets and bytes, and one packet above it goes alone", () => {
    const ledger = createAckLedger({ window, onRoom() {} });
    expect(ledger.fits(packets(20), 0)).toBe(8);
    const big: Packet = { ...packetOf("in", 1), bytes: 5_000 };
    expect(ledger.fits([big, big], 0)).toBe(1);
    ledger.admit([big], 0, 1);
    expect(ledger.fits(packets(1), 0)).toBe(0);
    ledger.settle(0, DELIVERED);
    expect(ledger.fits(packets(1), 0)).toBe(1);
  });

  test("something that is not a packet is refused with its code", () => {
    const ledger = createAckLedger({ window, onRoom() {} });
    const bad = { ...packetOf("in", 1), bytes: Number.NaN };
    expect(() => ledger.fits([bad], 0)).toThrow("a packet needs an ident");
  });

  test("an idle position counts only when everything before it is settled", () => {
    const ledger = ledgerWith(2);
    ledger.idle("later");
    ledger.settle(1, DELIVERED);
    expect(ledger.watermark()).toBeUndefined();
    ledger.settle(0, DELIVERED);
    expect(ledger.watermark()).toBe("later");
    ledger.idle("latest");
    expect(ledger.watermark()).toBe("latest");
  });

  test("an idle position that newer packets overtook never moves the watermark back", () => {
    const ledger = ledgerWith(2);
    ledger.idle("between");
    ledger.admit(packets(1, 3), 0, 1);
    ledger.settleRange(0, 3, DELIVERED);
    expect(ledger.watermark()).toBe(3);
  });

  test("a tracker hears of the worst outcome, once, when the last packet is settled", () => {
    const heard: number[] = [];
    const ledger = ledgerWith(3);
    const tracker: Tracker = { remaining: 3, worst: DELIVERED, done: (worst) => heard.push(worst) };
    ledger.track(0, 3, tracker);
    ledger.settle(2, DEADLETTERED);
    ledger.settle(0, DELIVERED);
    expect(heard).toEqual([]);
    ledger.settle(1, DELIVERED);
    expect(heard).toEqual([DEADLETTERED]);
  });

  test("whatever the order of settles, the watermark is the end of the settled prefix", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        (forks, picks) => {
          const ledger = ledgerWith(forks.length);
          const open = forks.flatMap((more, seq) => new Array<number>(more + 1).fill(seq));
          for (const [seq, more] of forks.entries()) ledger.forkRange(seq, 1, more);
          const left = forks.map((more) => more + 1);
          for (const pick of picks) {
            if (open.length === 0) break;
            const [seq] = open.splice(pick % open.length, 1) as [number];
            (left[seq] as number)--;
            ledger.settle(seq, DELIVERED);
            const prefix = left.findIndex((copies) => copies > 0);
            const settled = prefix === -1 ? forks.length : prefix;
            expect(ledger.watermark()).toBe(settled === 0 ? undefined : settled);
            expect(ledger.inFlight).toBe(forks.length - settled);
          }
          expect(ledger.inFlightBytes).toBe(0);
        },
      ),
    );
  });

  test("the ring is used over and over without mixing up laps", () => {
    const ledger = createAckLedger({ window, onRoom() {} });
    for (let lap = 0; lap < 100; lap++) {
      const first = ledger.admit(packets(5, lap * 5 + 1), 0, 5);
      ledger.settleRange(first, 5, DELIVERED);
      expect(ledger.watermark()).toBe(lap * 5 + 5);
    }
    expect(ledger.admitted).toBe(500);
  });
});
