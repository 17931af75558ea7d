import { describe, expect, test } from "bun:test";
import { createMailbox } from "#src/actor/mailbox.ts";

function takeAll(mailbox: ReturnType<typeof createMailbox<string>>): string[] {
  const taken: string[] = [];
  for (let message = mailbox.next(); message !== undefined; message = mailbox.next()) {
    taken.push(message);
    mailbox.done();
  }
  return taken;
}

describe("mailbox", () => {
  test("gives signals before data, whenever they came", () => {
    const mailbox = createMailbox<string>(100);
    mailbox.pushData(1, "data", 1);
    mailbox.pushSignal("stop");
    expect(takeAll(mailbox)).toEqual(["stop", "data"]);
  });

  test("takes lanes in turn and keeps the order inside each", () => {
    const mailbox = createMailbox<string>(100);
    for (const message of ["a1", "a2", "a3"]) mailbox.pushData(1, message, 1);
    for (const message of ["b1", "b2"]) mailbox.pushData(2, message, 1);
    expect(takeAll(mailbox)).toEqual(["a1", "b1", "a2", "b2", "a3"]);
  });

  test("a held lane keeps its mail and does not stop the others", () => {
    const mailbox = createMailbox<string>(100);
    mailbox.pushData(1, "a1", 1);
    mailbox.pushData(2, "b1", 1);
    expect(mailbox.next()).toBe("a1");
    mailbox.hold();
    mailbox.pushData(1, "a2", 1);
    expect(takeAll(mailbox)).toEqual(["b1"]);
    expect(mailbox.ready).toBe(false);
    mailbox.release(1);
    expect(takeAll(mailbox)).toEqual(["a1", "a2"]);
  });

  test("a message that was looked at but not done is given again", () => {
    const mailbox = createMailbox<string>(100);
    mailbox.pushData(1, "a1", 1);
    expect(mailbox.next()).toBe("a1");
    mailbox.pushSignal("late");
    expect(takeAll(mailbox)).toEqual(["a1", "late"]);
  });

  test("counts depth and bytes, and refuses a sender without credit", () => {
    const mailbox = createMailbox<string>(2);
    mailbox.pushData(1, "a1", 10);
    mailbox.pushData(1, "a2", 20);
    expect([mailbox.depth, mailbox.bytes]).toEqual([2, 30]);
    expect(() => mailbox.pushData(1, "a3", 1)).toThrow("a mailbox is full");
    mailbox.clearData();
    expect([mailbox.depth, mailbox.bytes, mailbox.ready]).toEqual([0, 0, false]);
  });

  test("a lane that was emptied while it was current is not taken twice", () => {
    const mailbox = createMailbox<string>(100);
    mailbox.pushData(1, "a1", 1);
    expect(mailbox.next()).toBe("a1");
    mailbox.pushData(1, "a2", 1);
    mailbox.done();
    mailbox.pushData(1, "a3", 1);
    expect(takeAll(mailbox)).toEqual(["a2", "a3"]);
    expect(mailbox.depth).toBe(0);
  });
});
