// The openai package for Node against the gateway at $ROSTRA_URL. Run by `node --test`.
import assert from "node:assert/strict";
import test from "node:test";

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const model = "smollm2-135m-instruct";
const messages = [{ role: "user", content: "What is the capital of France?" }];
const client = new OpenAI({
  baseURL: `${process.env.ROSTRA_URL}/v1`,
  apiKey: "none",
  maxRetries: 0,
});

const City = z.object({
  name: z.string().max(20),
  country: z.enum(["France", "Italy", "Japan"]),
  inhabitants: z.number().int().min(0).max(100_000_000),
});

test("lists and retrieves models", async () => {
  const ids = [];
  for await (const one of client.models.list()) ids.push(one.id);
  assert.ok(ids.includes(model));
  assert.equal((await client.models.retrieve(model)).id, model);
});

test("answers, streamed and not", async () => {
  const whole = await client.chat.completions.create({ model, messages, temperature: 0 });
  assert.match(whole.choices[0].message.content, /Paris/);
  assert.equal(whole.choices[0].finish_reason, "stop");

  const stream = await client.chat.completions.create({
    model, messages, temperature: 0, stream: true, stream_options: { include_usage: true },
  });
  let text = "", usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.deepEqual(usage.completion_tokens, whole.usage.completion_tokens);
});

test("the streaming helper collects the same answer", async () => {
  const stream = client.chat.completions.stream({ model, messages, temperature: 0 });
  let text = "";
  stream.on("content", (delta) => (text += delta));
  assert.equal(await stream.finalContent(), text);
  assert.match(text, /Paris/);
});

test("parse gives an object of the schema", async () => {
  const completion = await client.chat.completions.parse({
    model, messages, temperature: 1, seed: 7, response_format: zodResponseFormat(City, "city"),
  });
  const city = completion.choices[0].message.parsed;
  assert.deepEqual(City.parse(city), city);
});

test("runTools calls the function with arguments of its schema", async () => {
  const seen = [];
  const runner = client.chat.completions.runTools({
    model,
    messages: [{ role: "user", content: "How warm is it in Paris?" }],
    temperature: 0,
    tool_choice: { type: "function", function: { name: "temperature_in" } },
    tools: [
      {
        type: "function",
        function: {
          name: "temperature_in",
          description: "The temperature in a city now.",
          strict: true,
          parameters: {
            type: "object",
            properties: { city: { type: "string", maxLength: 30 } },
            required: ["city"],
            additionalProperties: false,
          },
          parse: JSON.parse,
          function: (given) => {
            seen.push(given);
            return "21 degrees";
          },
        },
      },
    ],
  });
  await runner.done();
  assert.equal(seen.length, 1);
  assert.equal(typeof seen[0].city, "string");
  const roles = runner.messages.map((message) => message.role);
  assert.deepEqual(roles, ["user", "assistant", "tool"]);

  const answer = await client.chat.completions.create({
    model, messages: runner.messages, temperature: 0, max_completion_tokens: 32,
  });
  assert.ok(answer.choices[0].message.content.length > 0);
});

test("responses: whole, streamed, parsed", async () => {
  const asked = { model, input: "What is the capital of France?", temperature: 0 };
  const whole = await client.responses.create(asked);
  assert.equal(whole.status, "completed");
  assert.match(whole.output_text, /Paris/);

  let text = "", last = null;
  for await (const event of await client.responses.create({ ...asked, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
    last = event;
  }
  assert.equal(text, whole.output_text);
  assert.equal(last.type, "response.completed");

  const parsed = await client.responses.parse({ ...asked, text: { format: zodTextFormat(City, "city") } });
  assert.deepEqual(City.parse(parsed.output_parsed), parsed.output_parsed);
});

test("completions continue a text", async () => {
  const answer = await client.completions.create({
    model, prompt: "The capital of France is", max_tokens: 4, temperature: 0, echo: true, logprobs: 1,
  });
  assert.match(answer.choices[0].text, /^The capital of France is Paris/);
  assert.equal(answer.choices[0].logprobs.tokens.join(""), answer.choices[0].text);
});

test("errors are of the classes that the package has for them", async () => {
  const ask = (body) => client.chat.completions.create({ model, messages, ...body });
  await assert.rejects(ask({ model: "nobody" }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    return error.code === "model_not_found";
  });
  await assert.rejects(ask({ temperature: 3 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    return error.param === "temperature";
  });
});

test("a stream that is aborted ends", async () => {
  const stream = await client.chat.completions.create({
    model, messages, stream: true, ignore_eos: true, max_tokens: 4000,
  });
  let chunks = 0;
  for await (const _ of stream) {
    if (++chunks === 3) stream.controller.abort();
  }
  assert.ok(chunks < 50);
});
