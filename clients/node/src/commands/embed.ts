/** Texts to vectors. */

import { Metadata } from "@grpc/grpc-js";

import { expect } from "../check.js";
import { EmbedRequest, type EmbedResponse } from "../generated/rostra/v1/inference.js";
import { type Worker, soon, unary } from "../worker.js";

const TEXTS = ["the quick brown fox", "a lazy dog", "the quick brown fox"];

export async function embed(worker: Worker, model: string): Promise<void> {
  const info = await worker.model(model);
  const size = info.embeddingSize;
  expect(size !== undefined, `the model ${info.name} makes no embeddings`);
  const whole = await vectors(worker, model, size);
  const cut = await vectors(worker, model, size / 2, size / 2);
  for (const [index, text] of TEXTS.entries()) {
    const alike = dot(whole[0], whole[index]).toFixed(4);
    console.log(`${alike.padStart(7)}    ${text}`);
  }
  expect(dot(whole[0], whole[2]) > 0.9999, "equal texts have different vectors");
  expect(dot(whole[0], whole[1]) < 0.9999, "different texts have equal vectors");
  expect(dot(cut[0], whole[0].slice(0, size / 2)) > 0, "a shorter vector points elsewhere");
}

async function vectors(worker: Worker, model: string, size: number, dimensions?: number): Promise<number[][]> {
  const inputs = TEXTS.map((text) => ({ input: { $case: "text" as const, text } }));
  const request = EmbedRequest.create({ model, inputs, dimensions });
  const { embeddings, usage } = await unary<EmbedResponse>((done) =>
    worker.inference.embed(request, new Metadata(), soon(), done),
  );
  expect(embeddings.length === TEXTS.length, "there is not one vector for each text");
  for (const { values } of embeddings) {
    expect(values.length === size, `a vector of ${values.length} values, not ${size}`);
    expect(Math.abs(dot(values, values) - 1) < 1e-3, "a vector that is not of unit length");
  }
  console.log(`vectors    ${embeddings.length} of ${size}, ${usage?.promptTokens} tokens`);
  return embeddings.map(({ values }) => values);
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, index) => sum + value * b[index], 0);
}
