/** A deadline ends a request wherever it is: in the queue, or while it runs. */

import { status as codes } from "@grpc/grpc-js";

import { expect } from "../check.js";
import { endless } from "../requests.js";
import { expectCode, readRefusal } from "../statuses.js";
import type { Worker } from "../worker.js";

const DEADLINE_MS = 300;

export async function deadline(worker: Worker, model: string): Promise<void> {
  await worker.idle();
  const stream = worker.inference.chat(endless(model), { deadline: Date.now() + DEADLINE_MS });
  let messages = 0;
  try {
    for await (const _ of stream) messages += 1;
    expect(false, "the stream ended as if it had no deadline");
  } catch (error) {
    const refusal = readRefusal(error);
    console.log(`status     ${codes[refusal.code]} after ${DEADLINE_MS} ms and ${messages} messages`);
    expectCode(refusal, codes.DEADLINE_EXCEEDED);
  }
  await worker.idle();
}
