// A gRPC client of a Rostra worker: a streamed chat, a cancelled one, and one with a deadline.
//
//   npm ci
//   node client.js [--address HOST:PORT] [--model NAME] [--protos FOLDER] [--patience MS]
//     chat|cancel|deadline [PROMPT]
//
// It is made from protos/ when it starts, so there is nothing to build; clients/node has the same
// with generated types.

import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const PATIENCE_MS = 60_000;

/** The client of `rostra.v1.Inference` at an address. */
function inference(address, protos) {
  const definition = loader.loadSync("rostra/v1/inference.proto", {
    includeDirs: [protos],
    longs: BigInt, // a seed does not fit a number
    enums: String,
    oneofs: true,
  });
  const { rostra } = grpc.loadPackageDefinition(definition);
  return new rostra.v1.Inference(address, grpc.credentials.createInsecure());
}

function question(model, text, sampling) {
  return { model, messages: [{ role: "ROLE_USER", content: [{ text }] }], sampling };
}

/** Prints a stream as it comes. Calls `seen` with the number of deltas so far. */
async function read(stream, seen = () => {}) {
  let deltas = 0;
  for await (const message of stream) {
    if (message.delta) {
      process.stdout.write(message.delta.content);
      seen(++deltas);
    }
    if (message.finish) console.log(`\nfinish     ${message.finish.reason}`);
    if (message.usage) {
      const { promptTokens, completionTokens } = message.usage;
      console.log(`usage      ${promptTokens} + ${completionTokens} tokens`);
    }
  }
}

const commands = {
  /** The answer to one question. */
  async chat(client, model, prompt) {
    const options = { deadline: Date.now() + PATIENCE_MS };
    await read(client.chat(question(model, prompt, { maxTokens: 64 }), options));
  },

  /** Cancelling the call is all there is to do: the worker stops at once. */
  async cancel(client, model, prompt) {
    const stream = client.chat(question(model, prompt, { ignoreEos: true }));
    await read(stream, (deltas) => deltas === 3 && stream.cancel());
  },

  /** A deadline holds in the worker's queue and while it computes. */
  async deadline(client, model, prompt) {
    const options = { deadline: Date.now() + Number(values.patience) };
    await read(client.chat(question(model, prompt, { ignoreEos: true }), options));
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    address: { type: "string", default: "127.0.0.1:50051" },
    model: { type: "string", default: "" },
    patience: { type: "string", default: "500" },
    protos: { type: "string", default: fileURLToPath(new URL("../../protos", import.meta.url)) },
  },
});
const [command, prompt = "What is the capital of France?", ...rest] = positionals;
const known = Object.hasOwn(commands, command ?? "");
if (!known || rest.length > 0 || !(Number(values.patience) > 0)) {
  console.error(
    "usage: node client.js [--address HOST:PORT] [--patience MS] chat|cancel|deadline [PROMPT]",
  );
  process.exit(2);
}
const client = inference(values.address, values.protos);
try {
  await commands[command](client, values.model, prompt);
} catch (error) {
  // What a call ended with: a status, and what the worker says of it.
  console.log(`\nstatus     ${grpc.status[error.code] ?? "none"}: ${error.details ?? error.message}`);
  const ended = { cancel: grpc.status.CANCELLED, deadline: grpc.status.DEADLINE_EXCEEDED };
  process.exitCode = error.code !== undefined && error.code === ended[command] ? 0 : 1;
} finally {
  client.close();
}
