#include "answer.h"

#include <iostream>

#include "check.h"
#include "refusal.h"

namespace {

void add_delta(Answer& answer, const rostra::v1::ChatDelta& delta) {
  std::cout << delta.content();
  answer.text += delta.content();
  if (!delta.reasoning().empty()) std::cout << "[thinks: " << delta.reasoning() << "]";
  for (const auto& piece : delta.tool_calls()) {
    // Id and name come once, on the first delta of a call; the arguments in pieces.
    if (piece.index() == answer.calls.size()) {
      expect(piece.has_id() && piece.has_name(), "a call begins without id and name");
      std::cout << "\ncall       " << piece.name() << " ";
      auto& call = answer.calls.emplace_back();
      call.set_id(piece.id());
      call.set_name(piece.name());
    }
    expect(piece.index() < answer.calls.size(), "a call was left out");
    std::cout << piece.arguments();
    answer.calls[piece.index()].mutable_arguments()->append(piece.arguments());
  }
  std::cout << std::flush;
}

}  // namespace

Answer read_answer(Worker& worker, const rostra::v1::ChatRequest& request) {
  grpc::ClientContext context;
  auto reader = worker.inference->Chat(&context, request);
  Answer answer;
  rostra::v1::ChatResponse part;
  rostra::v1::Usage usage;
  unsigned messages = 0, prompt_tokens = 0;
  bool counted = false;
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
      expect(answer.finish == rostra::v1::FINISH_REASON_UNSPECIFIED, "a delta after the finish");
      add_delta(answer, part.delta());
    }
    if (part.has_finish()) answer.finish = part.finish().reason();
    if (part.has_usage()) usage = part.usage(), counted = true;
  }
  std::cout << "\n";
  // The status comes when everything was read.
  must_be_ok(reader->Finish());

  const auto reason = rostra::v1::FinishReason_Name(answer.finish);
  expect(answer.finish == rostra::v1::FINISH_REASON_STOP ||
             answer.finish == rostra::v1::FINISH_REASON_LENGTH ||
             answer.finish == rostra::v1::FINISH_REASON_TOOL_CALLS,
         "finished by " + reason);
  expect(counted, "the stream ended without usage");
  expect(usage.prompt_tokens() == prompt_tokens, "usage counts another prompt");
  expect(usage.completion_tokens() > 0, "usage counts no tokens");
  std::cout << "finish     " << reason << "\nusage      " << usage.prompt_tokens() << " + "
            << usage.completion_tokens() << " tokens, " << messages << " messages" << std::endl;
  return answer;
}
