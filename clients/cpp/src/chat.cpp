#include <iostream>

#include "check.h"
#include "commands.h"
#include "refusal.h"
#include "requests.h"

namespace {

void print_delta(const rostra::v1::ChatDelta& delta) {
  std::cout << delta.content();
  if (!delta.reasoning().empty()) std::cout << "[thinks: " << delta.reasoning() << "]";
  for (const auto& call : delta.tool_calls()) {
    // The name comes once, on the first delta of a call; the arguments in pieces.
    if (call.has_name()) std::cout << "\n[call " << call.index() << ": " << call.name() << "] ";
    std::cout << call.arguments();
  }
  std::cout << std::flush;
}

}  // namespace

void chat(Worker& worker, const std::string& model, const std::string& prompt) {
  auto request = question(model, prompt);
  request.mutable_sampling()->set_temperature(0);
  request.mutable_sampling()->set_max_tokens(64);

  grpc::ClientContext context;
  auto reader = worker.inference->Chat(&context, request);
  rostra::v1::ChatResponse part;
  rostra::v1::Finish finish;
  rostra::v1::Usage usage;
  unsigned messages = 0, deltas = 0, prompt_tokens = 0;
  bool finished = false, counted = false;
  while (reader->Read(&part)) {
    expect(!counted, "a message after the one with usage");
    expect(part.has_request_id() == (messages == 0), "request_id is for the first message");
    ++messages;
    if (part.has_request_id()) {
      prompt_tokens = part.prompt_tokens();
      std::cout << "request    " << part.request_id() << ", " << prompt_tokens
                << " tokens of prompt\nanswer     ";
    }
    if (part.has_delta()) {
      expect(!finished, "a delta after the finish");
      ++deltas;
      print_delta(part.delta());
    }
    if (part.has_finish()) finish = part.finish(), finished = true;
    if (part.has_usage()) usage = part.usage(), counted = true;
  }
  std::cout << "\n";
  // The status comes when everything was read.
  must_be_ok(reader->Finish());

  const auto reason = rostra::v1::FinishReason_Name(finish.reason());
  expect(finished && counted, "the stream ended without finish and usage");
  expect(finish.reason() == rostra::v1::FINISH_REASON_STOP ||
             finish.reason() == rostra::v1::FINISH_REASON_LENGTH ||
             finish.reason() == rostra::v1::FINISH_REASON_TOOL_CALLS,
         "finished by " + reason);
  expect(deltas > 0, "no delta came");
  expect(usage.prompt_tokens() == prompt_tokens, "usage counts another prompt");
  expect(usage.completion_tokens() > 0, "usage counts no tokens");
  std::cout << "finish     " << reason << "\nusage      " << usage.prompt_tokens() << " + "
            << usage.completion_tokens() << " tokens, " << messages << " messages" << std::endl;
}
