/** A streamed chat, held to the rules that chat.proto has for its stream. */

import { expect } from "../check.js";
import type { ChatDelta } from "../generated/rostra/v1/chat.js";
import { FinishReason, type Finish, type Usage, finishReasonToJSON } from "../generated/rostra/v1/tokens.js";
import { question } from "../requests.js";
import type { Worker } from "../worker.js";

export async function chat(worker: Worker, model: string, prompt: string): Promise<void> {
  const stream = worker.inference.chat(question(model, prompt, { temperature: 0, maxTokens: 64 }));
  let messages = 0;
  let promptTokens = 0;
  let deltas = 0;
  let finish: Finish | undefined;
  let usage: Usage | undefined;
  for await (const part of stream) {
    expect(usage === undefined, "a message after the one with usage");
    expect((part.requestId !== undefined) === (messages === 0), "request_id is for the first message");
    messages += 1;
    if (part.requestId !== undefined) {
      console.log(`request    ${part.requestId}, ${part.promptTokens} tokens of prompt`);
      promptTokens = part.promptTokens ?? 0;
    }
    if (part.delta) {
      expect(finish === undefined, "a delta after the finish");
      if (deltas === 0) process.stdout.write("answer     ");
      deltas += 1;
      printDelta(part.delta);
    }
    finish = part.finish ?? finish;
    usage = part.usage;
  }
  console.log();
  expect(finish !== undefined && usage !== undefined, "the stream ended without finish and usage");
  const reasons = [
    FinishReason.FINISH_REASON_STOP,
    FinishReason.FINISH_REASON_LENGTH,
    FinishReason.FINISH_REASON_TOOL_CALLS,
  ];
  expect(reasons.includes(finish.reason), `finished by ${finishReasonToJSON(finish.reason)}`);
  expect(deltas > 0, "no delta came");
  expect(usage.promptTokens === promptTokens, "usage counts another prompt");
  expect(usage.completionTokens > 0, "usage counts no tokens");
  console.log(`finish     ${finishReasonToJSON(finish.reason)}`);
  console.log(`usage      ${usage.promptTokens} + ${usage.completionTokens} tokens, ${messages} messages`);
}

function printDelta(delta: ChatDelta): void {
  process.stdout.write(delta.content);
  if (delta.reasoning) process.stdout.write(`[thinks: ${delta.reasoning}]`);
  for (const call of delta.toolCalls) {
    // The name comes once, on the first delta of a call; the arguments in pieces.
    if (call.name !== undefined) process.stdout.write(`\n[call ${call.index}: ${call.name}] `);
    process.stdout.write(call.arguments);
  }
}
