import { DbusError } from "../../../errors.ts";
import type { KafkaConsumerOptions } from "../port.ts";

/** How much one broker is asked for at a time, and how long its answer may take. */
export type FetchSize = {
  /** Of an answer; a broker gives a whole batch all the same. */
  readonly bytes: number;
  /** Beyond what the broker may wait for records. */
  readonly answerMs: number;
  /** An answer of so many bytes has come. */
  answered(bytes: number, tookMs: number): void;
  /** No answer has come; what is to be said of it. */
  failed(error: DbusError, tookMs: number): DbusError;
};

/** A broker that has not answered by then is not busy, as it might be with other requests: it is gone. */
const answerMsMax = 10_000;
/** Below that a broker gives one batch, however large. */
const bytesMin = 1024;
/** Each answer that does not arrive costs its whole time, so the right size is not far to seek. */
const lessBy = 4;
const moreBy = 2;

/** A timer may be as much too early. */
const slackMs = 20;

type Options = Pick<
  KafkaConsumerOptions,
  "fetchBytesMax" | "fetchWaitMs" | "requestTimeoutMs" | "log"
>;

/**
 * On a slow link an answer of full size may take longer than it may, and would as often as it is
 * asked for: so after one that did not come in time less is asked for, and more again once full
 * answers come in a fraction of their time.
 */
export function createFetchSize(broker: number, options: Options): FetchSize {
  const { fetchBytesMax, fetchWaitMs, requestTimeoutMs, log } = options;
  const floor = Math.min(bytesMin, fetchBytesMax);
  let bytes = fetchBytesMax;

  /** A broker that was reached anew after it had said nothing is there: the link has its time. */
  const answerMs = () =>
    bytes < fetchBytesMax ? requestTimeoutMs : Math.min(requestTimeoutMs, answerMsMax);

  return {
    get bytes() {
      return bytes;
    },
    get answerMs() {
      return answerMs();
    },
    answered(got, tookMs) {
      // What is small comes fast over any link, so it says nothing of a larger one.
      if (bytes === fetchBytesMax || got < bytes / 2 || tookMs * 2 * moreBy > answerMs()) return;
      bytes = Math.min(fetchBytesMax, bytes * moreBy);
      if (bytes === fetchBytesMax) log.info("fetches are of full size again", { broker });
    },
    failed(error, tookMs) {
      const timedOut = tookMs + slackMs >= fetchWaitMs + answerMs();
      if (error.code !== "KAFKA_REQUEST_FAILED" || !timedOut) return error;
      if (bytes === floor) {
        const text = `${error.message}; no more than one batch was asked for: raise requestTimeoutMs`;
        return new DbusError(error.code, text, { cause: error });
      }
      if (bytes === fetchBytesMax) {
        log.warn("a fetch was not answered in time: less is asked for until answers come faster", {
          ...{ broker, bytes, answerMs: answerMs(), why: error.message },
        });
      }
      bytes = Math.max(floor, Math.floor(bytes / lessBy));
      return error;
    },
  };
}
