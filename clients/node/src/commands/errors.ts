/** Errors say for programs what is wrong: a reason, the fields, and numbers where they help. */

import { Metadata, status as codes } from "@grpc/grpc-js";

import { expect } from "../check.js";
import { EmbedRequest, type EmbedResponse } from "../generated/rostra/v1/inference.js";
import { endless, question } from "../requests.js";
import { type Refusal, expectCode, printRefusal, refused } from "../statuses.js";
import { type Worker, soon, unary } from "../worker.js";

export async function errors(worker: Worker, model: string): Promise<void> {
  const wrong = question(model, "Hello", { temperature: 9, topP: 0 });
  const values = await chatRefused(worker, wrong);
  expectCode(values, codes.INVALID_ARGUMENT);
  expect(values.reason === "invalid_value", "the reason is another");
  const fields = [...values.violations.keys()].sort();
  expect(fields.join() === "sampling.temperature,sampling.top_p", `the fields are ${fields}`);

  const info = await worker.model(model);
  const long = await chatRefused(worker, question(model, "Hello", { maxTokens: 1_000_000_000 }));
  expectCode(long, codes.INVALID_ARGUMENT);
  expect(long.reason === "context_length_exceeded", "the reason is another");
  expect(long.metadata.max_model_len === String(info.maxModelLen), "the context's length is wrong");
  expect(long.violations.has("sampling.max_tokens"), "the field is not named");

  const unknown = await chatRefused(worker, endless("no-such-model"));
  expectCode(unknown, codes.NOT_FOUND);
  expect(unknown.reason === "model_not_found", "the reason is another");
  expect(unknown.metadata.model === "no-such-model", "the model is not named");

  const inputs = [{ input: { $case: "text" as const, text: "Hello" } }];
  const embed = EmbedRequest.create({ model, inputs });
  const other = await refused(
    unary<EmbedResponse>((done) => worker.inference.embed(embed, new Metadata(), soon(), done)),
  );
  printRefusal(other);
  expectCode(other, codes.UNIMPLEMENTED);
}

async function chatRefused(worker: Worker, request: ReturnType<typeof question>): Promise<Refusal> {
  const stream = worker.inference.chat(request, soon());
  const refusal = await refused(stream[Symbol.asyncIterator]().next());
  printRefusal(refusal);
  return refusal;
}
