#include <iostream>

#include "check.h"
#include "commands.h"
#include "refusal.h"
#include "requests.h"

void cancel(Worker& worker, const std::string& model) {
  const auto max_model_len = worker.model(model).max_model_len();
  const auto before = worker.idle();
  grpc::ClientContext context;
  auto reader = worker.inference->Chat(&context, endless(model));
  rostra::v1::ChatResponse part;
  for (int deltas = 0; reader->Read(&part);) {
    if (!part.has_delta() || ++deltas != 3) continue;
    const auto running = worker.load().running_requests();
    std::cout << "load       " << running << " running; cancelled after " << deltas << " deltas\n";
    expect(running == 1, "the request does not show in the load");
    context.TryCancel();
  }
  expect_refusal(reader->Finish(), grpc::StatusCode::CANCELLED);
  const auto after = worker.idle();
  const auto generated = after.generated_tokens() - before.generated_tokens();
  std::cout << "generated  " << generated << " tokens of a context of " << max_model_len << std::endl;
  expect(generated < max_model_len / 2, "the engine went on");
}
