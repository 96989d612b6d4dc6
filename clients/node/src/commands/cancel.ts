/** Cancelling the RPC is the abort: the engine stops at once. */

import { status as codes } from "@grpc/grpc-js";

import { expect } from "../check.js";
import { endless } from "../requests.js";
import { expectCode, readRefusal } from "../statuses.js";
import type { Worker } from "../worker.js";

export async function cancel(worker: Worker, model: string): Promise<void> {
  const { maxModelLen } = await worker.model(model);
  const before = await worker.idle();
  const stream = worker.inference.chat(endless(model));
  let deltas = 0;
  try {
    for await (const part of stream) {
      if (!part.delta || ++deltas !== 3) continue;
      const { runningRequests } = await worker.load();
      console.log(`load       ${runningRequests} running; cancelled after ${deltas} deltas`);
      expect(runningRequests === 1, "the request does not show in the load");
      stream.cancel();
    }
    expect(false, "the stream ended as if nobody had cancelled it");
  } catch (error) {
    const refusal = readRefusal(error);
    console.log(`status     ${codes[refusal.code]}`);
    expectCode(refusal, codes.CANCELLED);
  }
  const after = await worker.idle();
  const generated = after.generatedTokens - before.generatedTokens;
  console.log(`generated  ${generated} tokens of a context of ${maxModelLen}`);
  expect(generated < maxModelLen / 2, "the engine went on");
}
