#include <chrono>
#include <iostream>

#include "check.h"
#include "commands.h"
#include "refusal.h"
#include "requests.h"

void deadline(Worker& worker, const std::string& model) {
  constexpr std::chrono::milliseconds limit(300);
  worker.idle();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + limit);
  auto reader = worker.inference->Chat(&context, endless(model));
  rostra::v1::ChatResponse part;
  int messages = 0;
  while (reader->Read(&part)) ++messages;
  std::cout << "stream     " << messages << " messages in " << limit.count() << " ms\n";
  expect_refusal(reader->Finish(), grpc::StatusCode::DEADLINE_EXCEEDED);
  worker.idle();
}
