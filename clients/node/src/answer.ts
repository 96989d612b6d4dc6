/** Reads a chat's stream, prints it as it comes, and holds it to the rules that chat.proto has for it. */

import type { ClientReadableStream } from "@grpc/grpc-js";

import { expect } from "./check.js";
import type { ChatDelta, ChatResponse, ToolCall } from "./generated/rostra/v1/chat.js";
import { FinishReason, type Usage, finishReasonToJSON } from "./generated/rostra/v1/tokens.js";

export interface Answer {
  text: string;
  calls: ToolCall[];
  finish: FinishReason;
}

export async function readAnswer(stream: ClientReadableStream<ChatResponse>): Promise<Answer> {
  const answer: Answer = { text: "", calls: [], finish: FinishReason.FINISH_REASON_UNSPECIFIED };
  let messages = 0;
  let promptTokens: number | undefined;
  let usage: Usage | undefined;
  for await (const part of stream) {
    expect(usage === undefined, "a message after the one with usage");
    expect((part.requestId !== undefined) === (messages === 0), "request_id is for the first message");
    messages += 1;
    if (part.requestId !== undefined) {
      promptTokens = part.promptTokens;
      console.log(`request    ${part.requestId}, ${promptTokens} tokens of prompt`);
      process.stdout.write("answer     ");
    }
    if (part.delta) {
      expect(answer.finish === FinishReason.FINISH_REASON_UNSPECIFIED, "a delta after the finish");
      addDelta(answer, part.delta);
    }
    if (part.finish) answer.finish = part.finish.reason;
    usage = part.usage;
  }
  console.log();
  const reasons = [
    FinishReason.FINISH_REASON_STOP,
    FinishReason.FINISH_REASON_LENGTH,
    FinishReason.FINISH_REASON_TOOL_CALLS,
  ];
  expect(reasons.includes(answer.finish), `finished by ${finishReasonToJSON(answer.finish)}`);
  expect(usage !== undefined, "the stream ended without usage");
  expect(usage.promptTokens === promptTokens, "usage counts another prompt");
  expect(usage.completionTokens > 0, "usage counts no tokens");
  console.log(`finish     ${finishReasonToJSON(answer.finish)}`);
  console.log(`usage      ${usage.promptTokens} + ${usage.completionTokens} tokens, ${messages} messages`);
  return answer;
}

function addDelta(answer: Answer, delta: ChatDelta): void {
  process.stdout.write(delta.content);
  answer.text += delta.content;
  if (delta.reasoning) process.stdout.write(`[thinks: ${delta.reasoning}]`);
  for (const { index, id, name, arguments: piece } of delta.toolCalls) {
    // Id and name come once, on the first delta of a call; the arguments in pieces.
    if (index === answer.calls.length) {
      expect(id !== undefined && name !== undefined, "a call begins without id and name");
      process.stdout.write(`\ncall       ${name} `);
      answer.calls.push({ id, name, arguments: "" });
    }
    expect(index < answer.calls.length, "a call was left out");
    process.stdout.write(piece);
    answer.calls[index].arguments += piece;
  }
}
