#include "check.h"
#include "commands.h"
#include "refusal.h"
#include "requests.h"

namespace {

// Sends a request that must be refused before anything is streamed.
Refusal chat_refused(Worker& worker, const rostra::v1::ChatRequest& request,
                     grpc::StatusCode code) {
  grpc::ClientContext context;
  context.set_deadline(soon());
  auto reader = worker.inference->Chat(&context, request);
  rostra::v1::ChatResponse part;
  expect(!reader->Read(&part), "answered, where an error was due");
  return expect_refusal(reader->Finish(), code);
}

}  // namespace

void errors(Worker& worker, const std::string& model) {
  auto wrong = question(model, "Hello");
  wrong.mutable_sampling()->set_temperature(9);
  wrong.mutable_sampling()->set_top_p(0);
  const auto values = chat_refused(worker, wrong, grpc::StatusCode::INVALID_ARGUMENT);
  expect(values.reason == "invalid_value", "the reason is " + values.reason);
  expect(values.violations.size() == 2 && values.violations.count("sampling.temperature") &&
             values.violations.count("sampling.top_p"),
         "the fields are others");

  auto too_long = question(model, "Hello");
  too_long.mutable_sampling()->set_max_tokens(1'000'000'000);
  auto length = chat_refused(worker, too_long, grpc::StatusCode::INVALID_ARGUMENT);
  expect(length.reason == "context_length_exceeded", "the reason is " + length.reason);
  expect(length.metadata["max_model_len"] == std::to_string(worker.model(model).max_model_len()),
         "the context's length is wrong");
  expect(length.violations.count("sampling.max_tokens") == 1, "the field is not named");

  auto unknown = chat_refused(worker, endless("no-such-model"), grpc::StatusCode::NOT_FOUND);
  expect(unknown.reason == "model_not_found", "the reason is " + unknown.reason);
  expect(unknown.metadata["model"] == "no-such-model", "the model is not named");

  grpc::ClientContext context;
  context.set_deadline(soon());
  rostra::v1::EmbedRequest embed;
  embed.set_model(model);
  embed.add_inputs()->set_text("Hello");
  rostra::v1::EmbedResponse vectors;
  expect_refusal(worker.inference->Embed(&context, embed, &vectors),
                 grpc::StatusCode::UNIMPLEMENTED);
}
